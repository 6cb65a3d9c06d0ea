import { maxDirectoryBytes, maxVolumeDescriptors } from "./limits.ts";
import { UserDataError } from "./user-data-error.ts";

/**
 * Reads a part of a disk.
 *
 * @returns fewer than `count` bytes only where the disk ends
 */
export type ReadDisk = (offset: number, count: number) => Uint8Array;

const sectorBytes = 2048;
const firstDescriptorSector = 16;
const descriptorType = { primary: 1, supplementary: 2, terminator: 255 } as const;

/** How names are written: in UCS-2 (Joliet), or in fields behind each record (Rock Ridge). */
type Naming = "joliet" | "rock-ridge";

interface Volume {
  readonly label: string;
  readonly naming: Naming;
  readonly root: Extent;
}

interface Extent {
  readonly offset: number;
  readonly length: number;
}

interface DirectoryEntry extends Extent {
  readonly name: string;
  readonly flags: number;
}

const entryFlag = { directory: 0x02, continued: 0x80 } as const;

/** Label of an ISO 9660 file system (ECMA-119); undefined when the disk has none. */
export function readIsoLabel(read: ReadDisk): string | undefined {
  return readVolumes(read).find(({ naming }) => naming === "rock-ridge")?.label;
}

/**
 * Reads a file in the root directory of an ISO 9660 disk (ECMA-119 with the names of Joliet or Rock Ridge). The disk is the host's:
 * read here it can do less than mounted, where the kernel's own reader would trust it.
 *
 * @throws UserDataError when the disk is broken, has no such file, or the file is longer than `maxBytes`
 */
export function readIsoFile(read: ReadDisk, name: string, maxBytes: number): Uint8Array {
  const volumes = readVolumes(read);
  const volume = volumes.find(({ naming }) => naming === "joliet") ?? volumes[0];
  if (volume === undefined) throw broken("no volume");
  const file = readDirectory(read, volume).find((entry) => entry.name === name);
  if (file === undefined) throw new UserDataError(`the disk has no file ${name}`);
  if ((file.flags & (entryFlag.directory | entryFlag.continued)) !== 0) throw broken(`${name} is no plain file`);
  if (file.length > maxBytes) throw new UserDataError(`longer than ${maxBytes} bytes`);
  return readExtent(read, file);
}

function readVolumes(read: ReadDisk): Volume[] {
  const volumes: Volume[] = [];
  for (let index = 0; index < maxVolumeDescriptors; index += 1) {
    const sector = Buffer.from(read((firstDescriptorSector + index) * sectorBytes, sectorBytes));
    const isDescriptor = sector.length === sectorBytes && sector.toString("latin1", 1, 6) === "CD001";
    if (!isDescriptor || sector[0] === descriptorType.terminator) break;
    const naming = namingOf(sector);
    if (naming !== undefined)
      volumes.push({ naming, label: sector.toString("latin1", 40, 72).trimEnd(), root: rootOf(sector) });
  }
  return volumes;
}

function namingOf(descriptor: Buffer): Naming | undefined {
  if (descriptor[0] === descriptorType.primary) return "rock-ridge";
  const escapeSequence = descriptor.toString("latin1", 88, 91);
  const isJoliet = descriptor[0] === descriptorType.supplementary && ["%/@", "%/C", "%/E"].includes(escapeSequence);
  return isJoliet ? "joliet" : undefined;
}

function rootOf(descriptor: Buffer): Extent {
  return extentOf(descriptor.subarray(156, 190));
}

/** Place of what a directory record describes; numbers stand there in both byte orders. */
function extentOf(record: Buffer): Extent {
  return { offset: record.readUInt32LE(2) * sectorBytes, length: record.readUInt32LE(10) };
}

function readDirectory(read: ReadDisk, { root, naming }: Volume): DirectoryEntry[] {
  if (root.length > maxDirectoryBytes) throw broken("too many files");
  const bytes = readExtent(read, root);
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt8(at);
    if (length === 0) {
      // No record crosses the border of a sector.
      at = (Math.floor(at / sectorBytes) + 1) * sectorBytes;
      continue;
    }
    const record = bytes.subarray(at, at + length);
    if (record.length < length || length < 34 || record.length < 33 + record.readUInt8(32))
      throw broken("a short record");
    entries.push({ ...extentOf(record), flags: record.readUInt8(25), name: nameOf(record, naming) });
    at += length;
  }
  return entries;
}

function nameOf(record: Buffer, naming: Naming): string {
  const end = 33 + record.readUInt8(32);
  const name = record.subarray(33, end);
  if (naming === "joliet") return withoutVersion(decodeUcs2(name));
  // A name of even length has a byte behind it, so that the fields start at an even place.
  return rockRidgeName(record.subarray(end + (end % 2))) ?? withoutVersion(name.toString("latin1")).toLowerCase();
}

/** Big-endian. A name of odd length, as those of the directory itself and its parent, is none that can be asked for. */
function decodeUcs2(name: Buffer): string {
  return name.length % 2 === 0 ? Buffer.from(name).swap16().toString("utf16le") : "";
}

/** The field NM: two letters, length, version, flags, name. */
function rockRidgeName(fields: Buffer): string | undefined {
  for (let at = 0; at + 5 <= fields.length; ) {
    const length = fields.readUInt8(at + 2);
    if (length < 4) return undefined;
    if (fields.toString("latin1", at, at + 2) === "NM") return fields.toString("utf8", at + 5, at + length);
    at += length;
  }
  return undefined;
}

/** `user-data;1` */
function withoutVersion(name: string): string {
  return name.replace(/;[0-9]+$/, "").replace(/\.$/, "");
}

function readExtent(read: ReadDisk, { offset, length }: Extent): Buffer {
  const bytes = Buffer.from(read(offset, length));
  if (bytes.length < length) throw broken("it ends too early");
  return bytes;
}

function broken(problem: string): UserDataError {
  return new UserDataError(`the disk is no sound ISO 9660 image: ${problem}`);
}
