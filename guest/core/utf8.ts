import { GuestError } from "./errors.ts";

/**
 * Bytes of UTF-8 as text, unchanged: nothing is replaced and a byte order mark stays a character, so that what is parsed is what
 * was hashed.
 *
 * @param what names the bytes in the error
 * @throws GuestError `invalid-argument` when the bytes are not UTF-8
 */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new GuestError("invalid-argument", `${what} is not valid UTF-8`, { cause });
  }
}
