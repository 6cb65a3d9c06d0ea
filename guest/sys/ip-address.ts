import net from "node:net";

/** An IP address as the number it is: two spellings of one address have the same bytes. */
export interface IpAddress {
  readonly family: 4 | 6;
  /** 4 or 16 bytes in network order. */
  readonly bytes: Buffer;
}

/**
 * Parses the text of an address, in any spelling that the kernel's tools take. Zones (`%eth0`) are not taken.
 *
 * @returns undefined when it isn't an address
 */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (net.isIPv4(text)) return { family: 4, bytes: Buffer.from(text.split(".").map(Number)) };
  if (isIpv6(text)) return { family: 6, bytes: parseIpv6(text) };
  return undefined;
}

/** Node's own pattern for these takes 14 ms to compile, at the start of every daemon; the parser of URLs is there already. */
function isIpv6(text: string): boolean {
  return /^[0-9a-fA-F:.]{2,45}$/.test(text) && text.includes(":") && URL.canParse(`http://[${text}]/`);
}

/** The address in the one spelling of RFC 5952. */
export function formatIpAddress({ family, bytes }: IpAddress): string {
  if (family === 4) return bytes.join(".");
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  // WHATWG's host serializer follows RFC 5952, but for the dotted tail of mapped addresses.
  return new URL(`http://[${words.join(":")}]/`).hostname.slice(1, -1);
}

/** True when the first `length` bits of both are the same. */
export function samePrefix(a: IpAddress, b: IpAddress, length: number): boolean {
  if (a.family !== b.family) return false;
  for (let bit = 0; bit < length; bit++) {
    const mask = 0x80 >> (bit & 7);
    if (((a.bytes[bit >> 3] ?? 0) & mask) !== ((b.bytes[bit >> 3] ?? 0) & mask)) return false;
  }
  return true;
}

/** The IPv4 address inside an IPv4-mapped (`::ffff:a.b.c.d`) or IPv4-compatible (`::a.b.c.d`) one; others as they are. */
export function unmapIpAddress(address: IpAddress): IpAddress {
  const { family, bytes } = address;
  if (family === 4 || !bytes.subarray(0, 10).every((byte) => byte === 0)) return address;
  const marker = bytes.readUInt16BE(10);
  // ::0 to ::ffff are addresses of IPv6 itself, :: and ::1 among them.
  const embedded = marker === 0xffff || (marker === 0 && bytes.readUInt16BE(12) !== 0);
  return embedded ? { family: 4, bytes: bytes.subarray(12) } : address;
}

/** The 16 bytes of a text that is an address of IPv6. */
function parseIpv6(text: string): Buffer {
  const [head = "", tail] = text.split("::");
  const front = words(head);
  const back = words(tail ?? "");
  const bytes = Buffer.alloc(16);
  front.forEach((word, index) => {
    bytes.writeUInt16BE(word, index * 2);
  });
  back.forEach((word, index) => {
    bytes.writeUInt16BE(word, 16 - (back.length - index) * 2);
  });
  return bytes;
}

/** Groups of hexadecimal digits; a dotted IPv4 address at the end makes two. */
function words(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
