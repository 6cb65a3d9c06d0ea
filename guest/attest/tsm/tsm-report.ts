import { GuestError, messageOf } from "../../core/errors.ts";

/**
 * The files of configfs-tsm below /sys/kernel/config/tsm/report, as few operations as there can be (spec/tee-abi.md 3). Errors carry
 * the errno name in `fields.errno` or as `errno`.
 */
export interface TsmFiles {
  /** mkdir of an entry with a fresh name. @returns the name */
  createEntry(): string;
  /** Opens, writes once, closes. */
  write(entry: string, attribute: string, content: Uint8Array): Promise<void>;
  /** Reads until the end; may take seconds. */
  read(entry: string, attribute: string, maxBytes: number): Promise<Uint8Array>;
  /** rmdir. */
  removeEntry(entry: string): void;
}

/** What the kernel made. */
export interface TsmReport {
  /** Such as `sev_guest`. */
  readonly provider: string;
  readonly outblob: Uint8Array;
  /** Undefined where the provider has none (TDX). */
  readonly auxblob: Uint8Array | undefined;
}

/** Pauses between attempts; tests pass at once. */
export type Pause = (milliseconds: number, signal: AbortSignal) => Promise<void>;

const maxAttempts = 5;
const firstPauseMs = 200;
const maxBlobBytes = 64 * 1024;
const maxTextBytes = 4_096;

/** A quote that is still in the making, a signal, a service that was too slow (spec/tee-abi.md 3.2, 7). */
const transientErrnos: ReadonlySet<string> = new Set(["EBUSY", "EINTR", "ETIMEDOUT"]);

/**
 * Asks the kernel for a report. Each attempt has an entry of its own, which is removed again. An entry that somebody else has written
 * to (its generation moved) and a device that is busy are tried again; an empty report is an error.
 *
 * @param inblob what the report shall bind, 64 bytes
 * @param wantsAuxblob whether the provider has one
 * @throws GuestError `unavailable`, with the last attempt as cause
 */
export async function requestTsmReport(
  files: TsmFiles,
  inblob: Uint8Array,
  wantsAuxblob: boolean,
  pause: Pause,
  signal: AbortSignal,
): Promise<TsmReport> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await requestOnce(files, inblob, wantsAuxblob);
    } catch (cause) {
      const again = cause instanceof GenerationMoved || transientErrnos.has(errnoOf(cause));
      if (!again || attempt === maxAttempts) {
        throw new GuestError("unavailable", `no report from configfs-tsm: ${messageOf(cause)}`, {
          cause,
          fields: { attempt },
        });
      }
      await pause(firstPauseMs * 2 ** (attempt - 1), signal);
    }
  }
}

/** Text of `provider` in a fresh entry; undefined when there is no configfs-tsm or no provider (ENOENT, ENXIO and the like). */
export async function readTsmProvider(files: TsmFiles): Promise<string | undefined> {
  let entry: string;
  try {
    entry = files.createEntry();
  } catch {
    return undefined; // No entry, no provider: whatever the reason is, this is not the TEE that is looked for.
  }
  try {
    return await readText(files, entry, "provider");
  } finally {
    files.removeEntry(entry);
  }
}

async function requestOnce(files: TsmFiles, inblob: Uint8Array, wantsAuxblob: boolean): Promise<TsmReport> {
  const entry = files.createEntry();
  try {
    await files.write(entry, "inblob", inblob);
    const provider = await readText(files, entry, "provider");
    const outblob = await files.read(entry, "outblob", maxBlobBytes);
    const auxblob = wantsAuxblob ? await files.read(entry, "auxblob", maxBlobBytes) : undefined;
    // One write was ours. Another number says that somebody else's data may be in the report.
    if ((await readText(files, entry, "generation")) !== "1") throw new GenerationMoved();
    if (outblob.length === 0)
      throw new GuestError("unavailable", "the report is empty: the host's quoting service is down");
    return { provider, outblob, auxblob };
  } finally {
    files.removeEntry(entry);
  }
}

class GenerationMoved extends GuestError {
  constructor() {
    super("aborted", "another program wrote to our entry");
  }
}

async function readText(files: TsmFiles, entry: string, attribute: string): Promise<string> {
  return Buffer.from(await files.read(entry, attribute, maxTextBytes))
    .toString("latin1")
    .trim();
}

function errnoOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  if ("errno" in error && typeof error.errno === "string") return error.errno;
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
