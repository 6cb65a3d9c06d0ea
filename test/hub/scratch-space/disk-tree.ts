import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { DeviceFolders } from "../../../guest/hub/scratch-space/scratch-partition.ts";

/** A partition of a disk that a test makes up; both figures in sectors of 512 bytes. */
export interface FakePartition {
  readonly name: string;
  readonly start: number;
  readonly size: number;
}

/** A disk's primary GUID partition table (UEFI Specification 2.10, 5.3). */
export function partitionTable(partitions: readonly FakePartition[], blockBytes = 512): Buffer {
  const disk = Buffer.alloc(2 * blockBytes + 128 * 128);
  const entries = disk.subarray(2 * blockBytes);
  for (const [index, { name, start, size }] of partitions.entries()) {
    const entry = entries.subarray(index * 128, (index + 1) * 128);
    entry.fill(0xaf, 0, 16);
    entry.writeBigUInt64LE(BigInt((start * 512) / blockBytes), 32);
    entry.writeBigUInt64LE(BigInt(((start + size) * 512) / blockBytes - 1), 40);
    entry.write(name, 56, 72, "utf16le");
  }
  const header = disk.subarray(blockBytes, blockBytes + 92);
  header.write("EFI PART", 0, "latin1");
  header.writeUInt32LE(0x10000, 8);
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(2n, 72);
  header.writeUInt32LE(128, 80);
  header.writeUInt32LE(128, 84);
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(crc32(header), 16);
  return disk;
}

/** /sys/block and /dev of a made-up machine. */
export class DiskTree implements DeviceFolders {
  readonly disks: string;
  readonly nodes: string;
  #count = 0;

  constructor(folder: string) {
    this.disks = join(folder, "block");
    this.nodes = join(folder, "dev");
    mkdirSync(this.disks, { recursive: true });
    mkdirSync(this.nodes, { recursive: true });
  }

  /**
   * Adds a disk; its partitions have numbers `8:16`, `8:17` and so on.
   *
   * @param kernel what the kernel believes of the partitions, when that is something else
   */
  addDisk(name: string, partitions: readonly FakePartition[], kernel = partitions, blockBytes = 512): void {
    const major = 8 + this.#count++;
    writeFileSync(join(this.nodes, name), partitionTable(partitions, blockBytes));
    const folder = join(this.disks, name);
    mkdirSync(join(folder, "device"), { recursive: true });
    mkdirSync(join(folder, "queue"));
    writeFileSync(join(folder, "queue/logical_block_size"), `${blockBytes}\n`);
    writeFileSync(join(folder, "size"), "1\n");
    for (const [index, { start, size }] of kernel.entries()) {
      const partition = join(folder, `${name}${index + 1}`);
      mkdirSync(partition);
      const attributes = { partition: index + 1, start, size, dev: `${major}:${16 + index}` };
      for (const [attribute, value] of Object.entries(attributes))
        writeFileSync(join(partition, attribute), `${value}\n`);
    }
  }
}
