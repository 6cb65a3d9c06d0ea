/** A section that a test wants in a PE image. */
export interface BuiltSection {
  readonly name: string;
  readonly content: Uint8Array | string;
  /** Size in memory; that of the content when absent. */
  readonly virtualSize?: number;
}

const peOffset = 0x80;
const optionalHeaderBytes = 240;
const headersBytes = 0x400;
const alignment = 512;

/** A PE32+ image with these sections in this order, and certificates behind it (as a signature would add). */
export function buildPe(sections: readonly BuiltSection[], certificates: Uint8Array = Buffer.of()): Buffer {
  const header = Buffer.alloc(headersBytes);
  header.write("MZ", 0, "latin1");
  header.writeUInt32LE(peOffset, 0x3c);
  header.write("PE\0\0", peOffset, "latin1");
  header.writeUInt16LE(0x8664, peOffset + 4);
  header.writeUInt16LE(sections.length, peOffset + 6);
  header.writeUInt16LE(optionalHeaderBytes, peOffset + 20);
  const optional = peOffset + 24;
  header.writeUInt16LE(0x20b, optional);
  header.writeUInt32LE(headersBytes, optional + 60);
  header.writeUInt32LE(0x1234_5678, optional + 64);
  header.writeUInt32LE(16, optional + 108);
  const bodies: Buffer[] = [];
  let offset = headersBytes;
  sections.forEach(({ name, content, virtualSize }, index) => {
    const bytes = Buffer.from(content);
    const rawSize = Math.ceil(bytes.length / alignment) * alignment;
    const at = optional + optionalHeaderBytes + index * 40;
    header.write(name, at, 8, "latin1");
    header.writeUInt32LE(virtualSize ?? bytes.length, at + 8);
    header.writeUInt32LE(0x1000 * (index + 1), at + 12);
    header.writeUInt32LE(rawSize, at + 16);
    header.writeUInt32LE(offset, at + 20);
    bodies.push(Buffer.concat([bytes], rawSize));
    offset += rawSize;
  });
  if (certificates.length > 0) {
    header.writeUInt32LE(offset, optional + 112 + 32);
    header.writeUInt32LE(certificates.length, optional + 112 + 36);
  }
  return Buffer.concat([header, ...bodies, certificates]);
}

/** Where the checksum stands, which a digest leaves out. */
export const checksumOffset: number = peOffset + 24 + 64;
