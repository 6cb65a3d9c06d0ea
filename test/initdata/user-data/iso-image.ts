const sectorBytes = 2048;

/** What a disk is to have. */
export interface IsoDescription {
  readonly label?: string;
  readonly naming?: "joliet" | "rock-ridge";
  /** Text by name. */
  readonly files: Readonly<Record<string, string>>;
}

/** First sectors: volume descriptors from 16, the root directory (of all namings the same place), then the files. */
const sectors = { primary: 16, supplementary: 17, root: 19, files: 20 } as const;

/** Where the image has things, for tests that break them. */
export const isoOffsets = {
  rootExtent: sectors.supplementary * sectorBytes + 156,
  directory: sectors.root * sectorBytes,
} as const;

/** An ISO 9660 image (ECMA-119) as genisoimage makes it, without what nobody here reads. */
export function createIsoImage({ label = "cidata", naming = "joliet", files }: IsoDescription): Buffer {
  const contents = Object.values(files).map((text) => padded(Buffer.from(text)));
  const records = [directoryRecord(Buffer.from([0]), sectors.root, sectorBytes, 2)];
  records.push(directoryRecord(Buffer.from([1]), sectors.root, sectorBytes, 2));
  let sector: number = sectors.files;
  for (const [index, [name, text]] of Object.entries(files).entries()) {
    const record = naming === "joliet" ? Buffer.from(`${name};1`, "utf16le").swap16() : Buffer.from(`F${index}.;1`);
    const fields = naming === "joliet" ? Buffer.alloc(0) : Buffer.concat([rockRidge("PX", 36), rockRidgeName(name)]);
    records.push(directoryRecord(record, sector, Buffer.byteLength(text), 0, fields));
    sector += (contents[index]?.length ?? 0) / sectorBytes;
  }
  const supplementary = naming === "joliet" ? descriptor(2, label, "%/E") : descriptor(0, label);
  const descriptors = [descriptor(1, label), supplementary, descriptor(255, "")];
  const system = Buffer.alloc(sectors.primary * sectorBytes);
  return Buffer.concat([system, ...descriptors, padded(Buffer.concat(records)), ...contents]);
}

function descriptor(type: number, label: string, escapeSequence = ""): Buffer {
  const sector = Buffer.alloc(sectorBytes);
  sector.writeUInt8(type, 0);
  sector.write("CD001", 1, "latin1");
  sector.write(label.padEnd(32), 40, "latin1");
  sector.write(escapeSequence, 88, "latin1");
  directoryRecord(Buffer.from([0]), sectors.root, sectorBytes, 2).copy(sector, 156);
  return sector;
}

function directoryRecord(
  name: Buffer,
  sector: number,
  length: number,
  flags: number,
  fields = Buffer.alloc(0),
): Buffer {
  const padding = 1 - (name.length % 2);
  const record = Buffer.alloc(33 + name.length + padding + fields.length);
  record.writeUInt8(record.length, 0);
  record.writeUInt32LE(sector, 2);
  record.writeUInt32BE(sector, 6);
  record.writeUInt32LE(length, 10);
  record.writeUInt32BE(length, 14);
  record.writeUInt8(flags, 25);
  record.writeUInt8(name.length, 32);
  name.copy(record, 33);
  fields.copy(record, 33 + name.length + padding);
  return record;
}

function rockRidge(signature: string, length: number): Buffer {
  const field = Buffer.alloc(length);
  field.write(signature, 0, "latin1");
  field.writeUInt8(length, 2);
  field.writeUInt8(1, 3);
  return field;
}

function rockRidgeName(name: string): Buffer {
  const field = rockRidge("NM", 5 + name.length);
  field.write(name, 5, "latin1");
  return field;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((sectorBytes - (bytes.length % sectorBytes)) % sectorBytes)]);
}
