import { decodeBase64 } from "../core/base64.ts";

/**
 * Decodes standard base64 that may be wrapped into lines, as the reference does.
 *
 * @returns undefined when the text is anything else
 */
export function decodeWrappedBase64(text: string): Buffer | undefined {
  return decodeBase64(text.replace(/[\r\n]/g, ""));
}
