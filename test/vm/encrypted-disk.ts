import { execFileSync } from "node:child_process";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cryptsetup, formatted, temporaryFolder } from "../hub/secure-mount/luks-fixture.ts";

const makeExt4 = ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"].find((path) => existsSync(path));

/** Why no encrypted disk can be made here; undefined when one can. */
export const whyNoEncryptedDisk: string | undefined =
  cryptsetup === undefined || makeExt4 === undefined ? "needs cryptsetup and mkfs.ext4" : undefined;

/** cryptsetup puts two headers and the key slots before the data. */
const dataOffset = 16 * 1024 * 1024;
const sectorBytes = 4096;
const payloadBytes = 24 * 1024 * 1024;

/** A disk as its owner prepares it: LUKS2 with its header on the disk, in it an ext4 file system. */
export interface EncryptedDiskImage {
  readonly file: string;
  /** The file system as it is now, in clear. */
  read(): Buffer;
}

/**
 * Makes an encrypted disk without the kernel's help, which not every machine has: cryptsetup writes the header for a volume key of
 * our choice, and the file system is encrypted here.
 *
 * @param files content by name, in the root of the file system
 */
export function makeEncryptedDisk(
  file: string,
  passphrase: string,
  files: Readonly<Record<string, string>>,
): EncryptedDiskImage {
  const volumeKey = randomBytes(64);
  using folder = temporaryFolder();
  const keyFile = join(folder.path, "volume-key");
  writeFileSync(keyFile, volumeKey);
  const header = formatted(Buffer.from(passphrase), ["--key-size", "512", "--volume-key-file", keyFile]);
  const payload = transform(fileSystemWith(files, folder.path), volumeKey, createCipheriv);
  writeFileSync(file, Buffer.concat([header.subarray(0, dataOffset), payload]));
  return { file, read: () => transform(readFileSync(file).subarray(dataOffset), volumeKey, createDecipheriv) };
}

/** True when the file system (ext4 superblock, at byte 1024) was unmounted: marked clean, no journal to replay. */
export function isCleanExt4(fileSystem: Buffer): boolean {
  const [state, incompatible] = [fileSystem.readUInt16LE(1024 + 0x3a), fileSystem.readUInt32LE(1024 + 0x60)];
  return fileSystem.readUInt16LE(1024 + 0x38) === 0xef53 && state === 1 && (incompatible & 4) === 0;
}

function fileSystemWith(files: Readonly<Record<string, string>>, folder: string): Buffer {
  if (makeExt4 === undefined) throw new Error("mkfs.ext4 is not installed");
  const tree = join(folder, "tree");
  mkdirSync(tree);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(tree, name), content);
  const image = join(folder, "ext4");
  writeFileSync(image, "");
  truncateSync(image, payloadBytes);
  execFileSync(makeExt4, ["-q", "-F", "-b", `${sectorBytes}`, "-d", tree, image]);
  return readFileSync(image);
}

/** aes-xts-plain64: each sector for itself, its tweak the number of its first 512 bytes, little-endian. */
function transform(data: Buffer, key: Buffer, create: typeof createCipheriv | typeof createDecipheriv): Buffer {
  const sectors: Buffer[] = [];
  for (let offset = 0; offset < data.length; offset += sectorBytes) {
    const tweak = Buffer.alloc(16);
    tweak.writeBigUInt64LE(BigInt(offset / 512));
    sectors.push(create("aes-256-xts", key, tweak).update(data.subarray(offset, offset + sectorBytes)));
  }
  return Buffer.concat(sectors);
}
