import { GuestError } from "../../core/errors.ts";
import type { MeasurementRegisters } from "../attester.ts";
import { type AgentEvent, digestEvent, encodeEntry, encodeEventData, extendValue } from "./entry.ts";

/** Evidence carries the whole log in base64, and key brokers take requests of two megabytes (spec/kbs-server.md 1). */
const maxLogBytes = 1024 * 1024;

/** The log and the write-ahead record beside it. All of them are ours alone. */
export interface EventLogFiles {
  /** Bytes in the log; 0 when there is none. */
  logSize(): number;
  /** Writes at a place and cuts off what stands behind. */
  writeLog(offset: number, entry: Uint8Array): void;
  /** @returns undefined when there is none */
  readPending(): Uint8Array | undefined;
  /** Replaces the record as a whole. */
  writePending(record: Uint8Array): void;
  removePending(): void;
}

/** What an event that is under way needs to be finished after a crash. */
interface PendingEvent {
  readonly logOffset: number;
  readonly pcr: number;
  /** The register's value once it was extended. */
  readonly expected: Uint8Array;
  readonly data: Uint8Array;
}

/**
 * Records events: register and log together, in one order (spec/attestation-agent.md 6.3). What was begun before a crash is finished
 * or, when the register has moved otherwise, refused: a log that doesn't match its register proves nothing.
 *
 * Two defects of the reference are not here: an event goes into the log under the register that it was extended into, and the
 * record remembers that register for recovery.
 */
export class EventLogRecorder {
  readonly #registers: MeasurementRegisters;
  readonly #files: EventLogFiles;
  readonly #defaultPcr: number;
  #last: Promise<void> = Promise.resolve();

  private constructor(registers: MeasurementRegisters, files: EventLogFiles, defaultPcr: number) {
    this.#registers = registers;
    this.#files = files;
    this.#defaultPcr = defaultPcr;
  }

  /**
   * Opens the log and finishes what was interrupted.
   *
   * @throws GuestError `data-loss` when the register holds neither the value before nor the one after the interrupted event
   */
  static async open(
    registers: MeasurementRegisters,
    files: EventLogFiles,
    defaultPcr: number,
  ): Promise<EventLogRecorder> {
    const recorder = new EventLogRecorder(registers, files, defaultPcr);
    await recorder.#recover();
    return recorder;
  }

  /** Records an event, after those that were given before. @throws GuestError */
  record({ pcr = this.#defaultPcr, ...event }: AgentEvent & { readonly pcr: number | undefined }): Promise<void> {
    const recorded = this.#last.then(() => this.#record(event, pcr));
    this.#last = recorded.catch(() => {}); // Its caller gets the error; the next event must not.
    return recorded;
  }

  async #record(event: AgentEvent, pcr: number): Promise<void> {
    const { hash } = this.#registers;
    this.#registers.logIndexOf(pcr); // Refused registers are refused before anything is written.
    await this.#recover(); // An event that failed half-way comes first.
    const data = encodeEventData(event);
    const digest = digestEvent(data, hash);
    const current = await this.#registers.read(pcr);
    const expected = extendValue(current, digest, hash);
    const logOffset = this.#files.logSize();
    if (logOffset + data.length > maxLogBytes) throw new GuestError("resource-exhausted", "the event log is full");
    this.#files.writePending(encodePending({ logOffset, pcr, expected, data }));
    try {
      await this.#registers.extend(pcr, digest);
    } catch (error) {
      await this.#forgetUnlessMoved(pcr, current);
      throw error;
    }
    this.#append({ logOffset, pcr, expected, data });
  }

  /** An extension that the device refused, for its locality say, must not be tried again at each start and stop it. */
  async #forgetUnlessMoved(pcr: number, before: Uint8Array): Promise<void> {
    const now = await this.#registers.read(pcr).catch(() => undefined);
    if (now !== undefined && Buffer.from(now).equals(before)) this.#files.removePending();
  }

  async #recover(): Promise<void> {
    const record = this.#files.readPending();
    if (record === undefined) return;
    const { hash } = this.#registers;
    const pending = parsePending(record, hash === "sha256" ? 32 : 48);
    const current = await this.#registers.read(pending.pcr);
    const digest = digestEvent(pending.data, hash);
    if (!Buffer.from(current).equals(pending.expected)) {
      if (!Buffer.from(extendValue(current, digest, hash)).equals(pending.expected)) {
        throw new GuestError(
          "data-loss",
          "the event log and its register don't match: another program extended the register",
        );
      }
      await this.#registers.extend(pending.pcr, digest);
    }
    this.#append(pending);
  }

  #append({ logOffset, pcr, data }: PendingEvent): void {
    this.#files.writeLog(logOffset, encodeEntry(this.#registers.logIndexOf(pcr), data, this.#registers.hash));
    this.#files.removePending();
  }
}

/** u64 big-endian log offset, u32 big-endian PCR, the expected value, the event's data. The reference's record has no PCR. */
function encodePending({ logOffset, pcr, expected, data }: PendingEvent): Uint8Array {
  const header = Buffer.alloc(12);
  header.writeBigUInt64BE(BigInt(logOffset), 0);
  header.writeUInt32BE(pcr, 8);
  return Buffer.concat([header, expected, data]);
}

function parsePending(record: Uint8Array, digestBytes: number): PendingEvent {
  const bytes = Buffer.from(record);
  if (bytes.length < 12 + digestBytes + 8)
    throw new GuestError("data-loss", "the event log's write-ahead record is cut off");
  return {
    logOffset: Number(bytes.readBigUInt64BE(0)),
    pcr: bytes.readUInt32BE(8),
    expected: bytes.subarray(12, 12 + digestBytes),
    data: bytes.subarray(12 + digestBytes),
  };
}
