import { encodeBase64 } from "../core/base64.ts";
import { decodeWrappedBase64 } from "./base64.ts";
import { isCarrier, readCarrier } from "./carrier.ts";
import { gunzip, gzip, looksLikeGzip } from "./gzip.ts";
import { InitdataError } from "./initdata-error.ts";
import { maxAnnotationLength } from "./limits.ts";

/**
 * The document in the form of the pod annotation `io.katacontainers.config.hypervisor.cc_init_data`, of the global `INITDATA`
 * and of user data: base64 of gzip (spec/initdata.md 4).
 */
export function encodeAnnotation(document: Uint8Array): string {
  return encodeBase64(gzip(document));
}

/**
 * The document of an annotation.
 *
 * @param text the value; line breaks are skipped, since user data ends it with one
 * @throws InitdataError naming `base64` or `gzip`
 */
export function decodeAnnotation(text: string): Uint8Array {
  if (text.length > maxAnnotationLength)
    throw new InitdataError("base64", `longer than ${maxAnnotationLength} characters`);
  const bytes = decodeWrappedBase64(text);
  if (bytes === undefined)
    throw new InitdataError("base64", "not standard base64 with padding; make it with: gzip -c FILE | base64 -w0");
  if (bytes.length === 0) throw new InitdataError("base64", "empty");
  return gunzip(bytes);
}

/** The forms that a document travels in. */
export type InitdataForm = "toml" | "annotation" | "gzip" | "block-device";

/**
 * Finds out which form bytes have.
 *
 * No TOML document looks like one of the others: a carrier's length field has zero bytes, which TOML forbids, and base64 of gzip
 * has no `=` but at its end, where a key would have to be.
 */
export function formOf(bytes: Uint8Array): InitdataForm {
  if (isCarrier(bytes)) return "block-device";
  if (looksLikeGzip(bytes)) return "gzip";
  return Buffer.from(bytes.subarray(0, 4)).toString("latin1") === "H4sI" ? "annotation" : "toml";
}

/**
 * The document inside bytes of any form.
 *
 * @throws InitdataError
 */
export function unwrapInitdata(bytes: Uint8Array): Uint8Array {
  switch (formOf(bytes)) {
    case "block-device":
      return readCarrier(bytes);
    case "gzip":
      return gunzip(bytes);
    case "annotation":
      return decodeAnnotation(Buffer.from(bytes).toString("latin1"));
    case "toml":
      return bytes;
  }
}
