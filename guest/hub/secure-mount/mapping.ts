import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { GuestError } from "../../core/errors.ts";
import { type BlockDevice, readFileRange } from "../../sys/block-device.ts";
import { makeDirectories, removeFile, writeFileAtomically } from "../../sys/file.ts";
import { totalMemoryBytes } from "../../sys/memory.ts";
import { judgeHeader } from "./header-rules.ts";
import { ephemeralKeyBytes, maxHeaderBytes } from "./limits.ts";
import { readLuksHeader, rewriteLuksHeader } from "./luks-header.ts";
import { endedWith, type StorageTools } from "./storage-tools.ts";

/** An opened LUKS2 device. */
export interface Mapping {
  /** Its node below /dev/mapper. */
  readonly path: string;
  /** Forgets the key. @throws GuestError when the device is in use */
  close(): Promise<void>;
}

/** What opening a device needs. */
export interface MappingParts {
  readonly tools: Pick<StorageTools, "run">;
  /** In memory, for root only: headers are here while devices are opened, out of the host's reach. */
  readonly headerDirectory: string;
  readonly signal: AbortSignal;
}

const formatArguments: readonly string[] = [
  ...["--batch-mode", "luksFormat", "--type", "luks2", "--cipher", "aes-xts-plain64", "--key-size", "512"],
  ...["--sector-size", "4096", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"],
];

/** cryptsetup(8): wrong device, which a name is that nothing is open under. */
const notActive = 4;

/** So much of a disk is read at once. */
const pieceBytes = 1024 * 1024;

/** How a device is opened. */
export interface MappingOptions {
  /** Below /dev/mapper: a plain name. */
  readonly name: string;
  /** dm-integrity below the encryption: a block that somebody has changed can't be read. */
  readonly integrity: boolean;
}

/**
 * Formats a device with a key that nobody keeps, and opens it. All of the device becomes data: the header stays in memory, and with
 * the VM goes the last that could read the disk. The key has full entropy, so deriving it may be cheap (spec/secure-mount.md 3.6).
 *
 * @throws GuestError; nothing stays open then
 */
export async function openEphemeral(
  device: BlockDevice,
  options: MappingOptions,
  parts: MappingParts,
): Promise<Mapping> {
  const key = randomBytes(ephemeralKeyBytes);
  using header = headerFile(parts);
  try {
    const integrity = options.integrity ? ["--integrity", "hmac-sha256", "--integrity-no-wipe"] : [];
    const format = [...formatArguments, ...integrity, "--header", header.path, "--key-file", "-", "--", device.path];
    await runCryptsetup(format, key, parts.tools);
    // Nothing has to survive a crash of the VM, so the journal that doubles each write serves nobody.
    const flags = options.integrity ? ["--integrity-no-journal"] : [];
    return await openWith(header.path, device, options.name, key, flags, parts);
  } finally {
    key.fill(0);
  }
}

/**
 * Opens a device that was formatted elsewhere. Its header is read once, judged, and only the judged copy in memory is used: what the
 * host changes on the disk from then on means nothing (threat model row 113).
 *
 * @param key its passphrase
 * @throws GuestError `failed-precondition` for a header that is not accepted; nothing stays open then
 */
export async function openEncrypted(
  device: BlockDevice,
  options: MappingOptions,
  key: Uint8Array,
  parts: MappingParts,
): Promise<Mapping> {
  const bytes = await readStart(device.path, parts.signal);
  const found = readLuksHeader(bytes);
  const maxDerivationKib = totalMemoryBytes() / 2 / 1024;
  const dataOffset = judgeHeader(found, { integrity: options.integrity, maxDerivationKib });
  using header = headerFile(parts);
  writeFileAtomically(header.path, rewriteLuksHeader(bytes, found, dataOffset), 0o600);
  return await openWith(header.path, device, options.name, key, [], parts);
}

/** What a header can be in, a piece at a time: all else that the hub does goes on while a slow disk is read. */
async function readStart(device: string, signal: AbortSignal): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let offset = 0; offset < maxHeaderBytes; offset += pieceBytes) {
    signal.throwIfAborted();
    const piece = readFileRange(device, offset, pieceBytes);
    pieces.push(piece);
    if (piece.length < pieceBytes) break;
    await nextTurn();
  }
  return Buffer.concat(pieces);
}

async function openWith(
  header: string,
  device: BlockDevice,
  name: string,
  key: Uint8Array,
  flags: readonly string[],
  { tools, signal }: MappingParts,
): Promise<Mapping> {
  const open = ["--batch-mode", "open", "--type", "luks2", "--header", header, "--key-file", "-", ...flags];
  signal.throwIfAborted();
  try {
    await runCryptsetup([...open, "--", device.path, name], key, tools);
  } catch (error) {
    // One that fails by itself leaves nothing, and the name may be that of another's mapping.
    if (isKilled(error)) await closeParts(name, tools);
    throw error;
  }
  return {
    path: `/dev/mapper/${name}`,
    close: () => closeMapping(name, tools),
  };
}

/** Doesn't end with its caller: between two steps it has mappings open that nobody else knows. */
async function runCryptsetup(args: readonly string[], key: Uint8Array, tools: MappingParts["tools"]): Promise<void> {
  await tools.run("cryptsetup", args, { stdin: key });
}

/** Since it took too long. */
function isKilled(error: unknown): boolean {
  return error instanceof GuestError && error.code === "deadline-exceeded";
}

/** With integrity there is a second mapping below the one of the name. */
async function closeParts(name: string, tools: MappingParts["tools"]): Promise<void> {
  await closeMapping(name, tools);
  await closeMapping(`${name}_dif`, tools);
}

/** Fine when it isn't there. */
async function closeMapping(name: string, tools: MappingParts["tools"]): Promise<void> {
  try {
    await tools.run("cryptsetup", ["close", "--", name], {});
  } catch (error) {
    if (!endedWith(error, notActive)) throw error;
  }
}

/** The place of a header until the device is open; the kernel needs it no longer then, and it is 16 MiB of memory. */
function headerFile({ headerDirectory }: MappingParts): { readonly path: string } & Disposable {
  makeDirectories(headerDirectory, 0o700);
  const path = join(headerDirectory, `${randomUUID()}.header`);
  return { path, [Symbol.dispose]: () => removeFile(path) };
}
