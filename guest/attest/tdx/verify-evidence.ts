import { decodeBase64 } from "../../core/base64.ts";
import { GuestError } from "../../core/errors.ts";
import { isJsonObject, type JsonValue, parseJson } from "../../core/json.ts";
import { parseEventLog, replayEventLog } from "../eventlog/ccel.ts";
import type { TdxQuoteBody } from "./quote.ts";
import { registerBytes } from "./registers.ts";
import { type TdxTrust, verifyTdxQuote } from "./verify.ts";

/**
 * Verifies TDX evidence: the quote, and that the event log, when there is one, gives the quote's four RTMRs when it is replayed
 * (spec/kbs-server.md 6.3).
 *
 * @returns the quote's body, and whether a log proved its registers
 * @throws GuestError as {@link verifyTdxQuote}
 */
export function verifyTdxEvidence(
  text: string | Uint8Array,
  trust: TdxTrust,
): { readonly body: TdxQuoteBody; readonly logProven: boolean } {
  const evidence = parseJson(text);
  const { quote, cc_eventlog: log } = isJsonObject(evidence) ? evidence : {};
  const body = verifyTdxQuote(bytesOf(quote, "quote"), trust);
  if (log === null || log === undefined) return { body, logProven: false };
  const registers = replayEventLog(parseEventLog(bytesOf(log, "cc_eventlog")), "sha384");
  body.rtmr.forEach((value, index) => {
    const replayed = registers.get(index + 1) ?? new Uint8Array(registerBytes);
    if (Buffer.from(replayed).equals(value)) return;
    throw new GuestError("permission-denied", `the event log does not give RTMR${index}`);
  });
  return { body, logProven: true };
}

function bytesOf(text: JsonValue | undefined, member: string): Uint8Array {
  const bytes = typeof text === "string" ? decodeBase64(text) : undefined;
  if (bytes !== undefined) return bytes;
  throw new GuestError("invalid-argument", `TDX evidence: ${member} is not base64`);
}
