/** Reading of DER (X.690) as far as names in certificate requests need it. */

/** One element: its tag, its contents, and where the next begins. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  readonly end: number;
}

/** Text that is not DER, or not the structure that was looked for. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/** Reads the element at an offset. Throws DerError if the bytes are too few or the length is not definite. */
export function readDer(bytes: Buffer, offset = 0): DerElement {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined) throw new DerError("element is cut off");
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 4 || first === 0x80) throw new DerError("unsupported length");
  const start = offset + 2 + lengthBytes;
  if (start > bytes.length) throw new DerError("element is cut off");
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(offset + 2, lengthBytes);
  if (start + length > bytes.length) throw new DerError("element is cut off");
  return { tag, content: bytes.subarray(start, start + length), end: start + length };
}

/** The elements that follow each other in some contents. */
export function readDerAll(content: Buffer): readonly DerElement[] {
  const elements: DerElement[] = [];
  for (let offset = 0; offset < content.length; ) {
    const element = readDer(content, offset);
    elements.push(element);
    offset = element.end;
  }
  return elements;
}

/** The elements inside the element, which must have the tag. */
export function readDerInside(element: DerElement | undefined, tag: number): readonly DerElement[] {
  if (element?.tag !== tag) throw new DerError("unexpected element");
  return readDerAll(element.content);
}

/** An attribute of a distinguished name: its object identifier (as hex of its contents) and its text. */
export type NameAttribute = readonly [oidHex: string, text: string];

/** Reads a Name (RFC 5280 section 4.1.2.4). */
export function readDerName(name: DerElement | undefined): readonly NameAttribute[] {
  return readDerInside(name, 0x30).flatMap((set) =>
    readDerInside(set, 0x31).map((pair) => {
      const [oid, value] = readDerInside(pair, 0x30);
      if (oid?.tag !== 0x06 || value === undefined) throw new DerError("unexpected element in a name");
      // Tag 30 is BMPString, two bytes a character with the high one first; the others are UTF-8 or a part of it.
      const text =
        value.tag === 0x1e ? Buffer.from(value.content).swap16().toString("utf16le") : value.content.toString("utf8");
      return [oid.content.toString("hex"), text] as const;
    }),
  );
}
