import { GuestError } from "../../core/errors.ts";
import { digestAlgorithms, type EventHash, extendValue } from "./entry.ts";

/** An entry as it was parsed. */
export interface LogEntry {
  /** As the log numbers registers. */
  readonly register: number;
  readonly type: number;
  readonly digests: ReadonlyMap<EventHash, Uint8Array>;
  readonly event: Uint8Array;
}

/** A parsed log. */
export interface EventLog {
  readonly entries: readonly LogEntry[];
  /** Bytes up to the end of the last entry; what follows is padding. */
  readonly usedBytes: number;
}

const noAction = 3;
const legacyHeaderBytes = 32;
const maxLogBytes = 16 * 1024 * 1024;
const maxEntries = 100_000;
const maxDigests = 8;

/**
 * Parses a CC event log (spec/attestation-agent.md 6.4): a legacy entry, then TCG_PCR_EVENT2 entries up to eight bytes of 0xFF or 0x00
 * at the start of an entry, or the end.
 *
 * @throws GuestError `invalid-argument`
 */
export function parseEventLog(bytes: Uint8Array): EventLog {
  if (bytes.length > maxLogBytes) throw invalid("too long");
  const log = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = new Reader(log);
  reader.u32(); // register of the header; 0 or 1
  if (reader.u32() !== noAction) throw invalid("no header");
  reader.take(legacyHeaderBytes - 12);
  reader.take(reader.u32());
  const entries: LogEntry[] = [];
  while (!reader.atEnd()) {
    if (entries.length === maxEntries) throw invalid("too many entries");
    entries.push(parseEntry(reader));
  }
  return { entries, usedBytes: reader.offset };
}

/**
 * Plays the log into registers of zeros.
 *
 * @returns register values by the log's numbers; a register without entries is missing
 * @throws GuestError `invalid-argument` when an entry has no digest of this hash
 */
export function replayEventLog({ entries }: EventLog, hash: EventHash): ReadonlyMap<number, Uint8Array> {
  const bytes = digestAlgorithms.find(({ name }) => name === hash)?.bytes ?? 0;
  const registers = new Map<number, Uint8Array>();
  for (const { register, type, digests } of entries) {
    if (type === noAction) continue;
    const digest = digests.get(hash);
    if (digest === undefined) throw invalid(`no ${hash} digest`);
    registers.set(register, extendValue(registers.get(register) ?? new Uint8Array(bytes), digest, hash));
  }
  return registers;
}

function parseEntry(reader: Reader): LogEntry {
  const register = reader.u32();
  const type = reader.u32();
  const count = reader.u32();
  if (count > maxDigests) throw invalid("too many digests");
  const digests = new Map<EventHash, Uint8Array>();
  for (let index = 0; index < count; index += 1) {
    const id = reader.u16();
    const algorithm = digestAlgorithms.find((known) => known.id === id);
    if (algorithm === undefined) throw invalid("unsupported digest algorithm");
    digests.set(algorithm.name, reader.take(algorithm.bytes));
  }
  return { register, type, digests, event: reader.take(reader.u32()) };
}

class Reader {
  offset = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array {
    const end = this.offset + length;
    if (end > this.#bytes.length) throw invalid("cut off");
    const taken = this.#bytes.subarray(this.offset, end);
    this.offset = end;
    return taken;
  }

  u32(): number {
    return Buffer.from(this.take(4)).readUInt32LE(0);
  }

  u16(): number {
    return Buffer.from(this.take(2)).readUInt16LE(0);
  }

  /** The end of the bytes, or padding. A rest of less than eight bytes is an entry that was cut off, unless it is padding, too. */
  atEnd(): boolean {
    const next = this.#bytes.subarray(this.offset, this.offset + 8);
    return next.every((byte) => byte === 0xff) || next.every((byte) => byte === 0);
  }
}

function invalid(reason: string): GuestError {
  return new GuestError("invalid-argument", `invalid ccel: ${reason}`);
}
