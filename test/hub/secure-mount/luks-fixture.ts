import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseJson } from "../../../guest/core/json.ts";

/** Headers come from cryptsetup itself, which needs neither root nor device mapper to format a file. */
export const cryptsetup = ["/usr/sbin/cryptsetup", "/sbin/cryptsetup"].find((path) => existsSync(path));

/** A folder that goes away with the test. */
export function temporaryFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), "podkeep-luks-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** A file that cryptsetup has formatted. @returns its bytes */
export function formatted(key: Uint8Array, extra: readonly string[] = []): Buffer {
  if (cryptsetup === undefined) throw new Error("cryptsetup is not installed");
  using folder = temporaryFolder();
  const file = join(folder.path, "device");
  writeFileSync(file, "");
  truncateSync(file, 20 * 1024 * 1024);
  const cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
  const options = ["--cipher", "aes-xts-plain64", "--sector-size", "4096", ...cheap, ...extra];
  execFileSync(cryptsetup, ["--batch-mode", "luksFormat", "--type", "luks2", ...options, "--key-file", "-", file], {
    input: key,
  });
  return readFileSync(file);
}

/** Whether a passphrase opens a header, as cryptsetup says without mapping anything. */
export function opensWith(header: Buffer, key: Uint8Array): boolean {
  if (cryptsetup === undefined) throw new Error("cryptsetup is not installed");
  using folder = temporaryFolder();
  const file = join(folder.path, "header");
  writeFileSync(file, header);
  const args = ["open", "--test-passphrase", "--type", "luks2", "--header", file, "--key-file", "-", file];
  try {
    execFileSync(cryptsetup, args, { input: key, stdio: ["pipe", "ignore", "ignore"] });
    return true;
  } catch {
    return false;
  }
}

/** What a host does that knows the format: other metadata, or other bytes, under a checksum that is right. */
export function tampered(device: Buffer, change: (json: string, header: Buffer) => string): Buffer {
  const copy = Buffer.from(device);
  const size = Number(copy.readBigUInt64BE(8));
  const header = copy.subarray(0, size);
  const json = change(header.toString("utf8", 4096, header.indexOf(0, 4096)), header);
  header.fill(0, 4096);
  header.write(json, 4096);
  header.fill(0, 448, 512);
  createHash("sha256").update(header).digest().copy(header, 448);
  return copy;
}

/** The metadata, for looking at. */
export function metadataOf(device: Buffer): unknown {
  return parseJson(device.subarray(4096, device.indexOf(0, 4096)));
}
