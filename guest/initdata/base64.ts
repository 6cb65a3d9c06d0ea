/**
 * Decodes standard base64 (RFC 4648 section 4) as strictly as the reference does: padding is required, line breaks are skipped,
 * nothing else is. Node's own decoder takes the url-safe alphabet, skips junk and stops at the first `=`.
 *
 * @returns undefined when the text is anything else
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  const joined = text.replace(/[\r\n]/g, "");
  if (joined.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(joined)) return undefined;
  const bytes = Buffer.from(joined, "base64");
  return bytes.toString("base64") === joined ? bytes : undefined;
}

/** Bytes in standard base64 with padding, on one line: some readers refuse line breaks (spec/initdata.md 4.1). */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
