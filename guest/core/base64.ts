/**
 * Decodes standard base64 (RFC 4648 section 4) with its padding and nothing else. Node's own decoder takes the url-safe alphabet,
 * skips junk and stops at the first `=`.
 *
 * @returns undefined when the text is anything else
 */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

/** Bytes in standard base64 with padding, on one line. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
