import { crc32 } from "node:zlib";

/** A partition as the table of a disk describes it (UEFI Specification 2.10, 5.3). */
export interface Partition {
  /** Counted from 1, as in its device's name. */
  readonly index: number;
  readonly name: string;
  /** In logical blocks of the disk. */
  readonly firstBlock: bigint;
  readonly blockCount: bigint;
}

const signature = "EFI PART";
const entryBytes = 128;
const maxEntries = 128;
const headerBytes = 92;

/** So much of a disk's beginning is needed for {@link parsePartitionTable}. */
export function partitionTableBytes(blockBytes: number): number {
  return 2 * blockBytes + maxEntries * entryBytes;
}

/**
 * Parses the primary GUID partition table: header in block 1, entries from block 2.
 *
 * @param bytes of the disk from its beginning; the disk is untrusted
 * @returns no partitions for a disk without such a table, or with a damaged one
 */
export function parsePartitionTable(bytes: Buffer, blockBytes: number): Partition[] {
  const header = bytes.subarray(blockBytes, blockBytes + headerBytes);
  if (header.length < headerBytes || header.toString("latin1", 0, 8) !== signature) return [];
  const [count, size] = [header.readUInt32LE(80), header.readUInt32LE(84)];
  const isUsual = header.readUInt32LE(12) === headerBytes && header.readBigUInt64LE(72) === 2n && size === entryBytes;
  if (!isUsual || count > maxEntries) return [];
  const checked = Buffer.from(header).fill(0, 16, 20);
  if (crc32(checked) !== header.readUInt32LE(16)) return [];
  const entries = bytes.subarray(2 * blockBytes, 2 * blockBytes + count * entryBytes);
  if (entries.length < count * entryBytes || crc32(entries) !== header.readUInt32LE(88)) return [];
  return Array.from({ length: count }, (_, number) =>
    parseEntry(entries.subarray(number * entryBytes), number + 1),
  ).filter((partition) => partition !== undefined);
}

/** Type 16 bytes (zeros: unused), identifier 16, first and last block 8 each, attributes 8, name in UTF-16 72. */
function parseEntry(entry: Buffer, index: number): Partition | undefined {
  if (entry.subarray(0, 16).every((byte) => byte === 0)) return undefined;
  const [firstBlock, lastBlock] = [entry.readBigUInt64LE(32), entry.readBigUInt64LE(40)];
  if (lastBlock < firstBlock) return undefined;
  const [name = ""] = entry.toString("utf16le", 56, entryBytes).split("\0");
  return { index, name, firstBlock, blockCount: lastBlock - firstBlock + 1n };
}
