import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseEventLog, replayEventLog } from "../../../guest/attest/eventlog/ccel.ts";
import { encodeEntry, encodeEventData } from "../../../guest/attest/eventlog/entry.ts";
import { assembleEvidenceLog } from "../../../guest/attest/eventlog/evidence-log.ts";
import { verifyTdxQuote } from "../../../guest/attest/tdx/verify.ts";
import { verifyTdxEvidence } from "../../../guest/attest/tdx/verify-evidence.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import { FakeIntel } from "./fake-intel.ts";
import type { FakeQuote } from "./fake-quote.ts";

const intel = new FakeIntel();
const trust = { roots: [intel.root] };

describe("quotes", () => {
  test.each<FakeQuote>([{ version: 4 }, { version: 5, bodyType: 2 }, { version: 5, bodyType: 3 }])(
    "%j is genuine",
    (options) => {
      const body = verifyTdxQuote(intel.quote({ ...options, reportData: Buffer.alloc(64, 3) }), {
        ...trust,
        now: new Date(),
      });
      expect(Buffer.from(body.reportData)).toEqual(Buffer.alloc(64, 3));
    },
  );

  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

  test.each<[string, () => unknown]>([
    ["the quote's signature is wrong", () => verifyTdxQuote(intel.quote({}, { quoteKey: stranger }), trust)],
    ["report is not signed by the PCK", () => verifyTdxQuote(intel.quote({}, { pckKey: stranger }), trust)],
    [
      "did not make this attestation key",
      () => verifyTdxQuote(intel.quote({}, { qeReportData: Buffer.alloc(32) }), trust),
    ],
    ["not Intel's for TDX", () => verifyTdxQuote(intel.quote({}, { qeSigner: Buffer.alloc(32, 1) }), trust)],
    ["not Intel's for TDX", () => verifyTdxQuote(intel.quote({}, { qeProduct: 1 }), trust)],
    ["enclave can be debugged", () => verifyTdxQuote(intel.quote({}, { qeFlags: 0x17 }), trust)],
    ["does not end at a trusted root", () => verifyTdxQuote(intel.quote(), { roots: [new FakeIntel().root] })],
    ["does not end at a trusted root", () => verifyTdxQuote(intel.quote(), { roots: [] })],
    ["has 0 certificates instead of 3", () => verifyTdxQuote(intel.quote({}, { chain: "" }), trust)],
    ["not valid at this time", () => verifyTdxQuote(intel.quote(), { ...trust, now: new Date("2001-01-01") })],
  ])("%s", (message, action) => {
    expect(action).toThrow(message);
  });

  test("every bit of header, body and signatures matters", () => {
    const quote = intel.quote();
    fc.assert(
      // Up to the end of the enclave's report data; behind it stand lengths and certificates with slack of their own.
      fc.property(fc.nat(48 + 584 + 4 + 128 - 1), fc.nat(7), (at, bit) => {
        const changed = Buffer.from(quote);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(() => verifyTdxQuote(changed, trust)).toThrow(GuestError);
      }),
      { numRuns: 100 },
    );
  });

  test("cut anywhere, it is refused", () => {
    const quote = intel.quote();
    for (let length = 0; length < quote.length; length += 97) {
      expect(() => verifyTdxQuote(quote.subarray(0, length), trust)).toThrow(GuestError);
    }
  });
});

describe("evidence with its log", () => {
  const log = assembleEvidenceLog(
    undefined,
    encodeEntry(4, encodeEventData({ domain: "d", operation: "o", content: "c" }), "sha384"),
  );
  const replayed = replayEventLog(parseEventLog(log ?? Buffer.alloc(0)), "sha384").get(4) ?? Buffer.alloc(0);
  const rtmr = [Buffer.alloc(48), Buffer.alloc(48), Buffer.alloc(48), replayed];
  const evidenceOf = (quote: Uint8Array, eventLog: Uint8Array | undefined): string =>
    JSON.stringify({
      cc_eventlog: eventLog === undefined ? null : Buffer.from(eventLog).toString("base64"),
      quote: Buffer.from(quote).toString("base64"),
    });

  test("a log that gives the registers proves them; without one they are just said", () => {
    expect(verifyTdxEvidence(evidenceOf(intel.quote({ rtmr }), log), trust).logProven).toBe(true);
    expect(verifyTdxEvidence(evidenceOf(intel.quote({ rtmr }), undefined), trust).logProven).toBe(false);
  });

  test("a log that leaves an event out, or adds one, is refused", () => {
    expect(() => verifyTdxEvidence(evidenceOf(intel.quote(), log), trust)).toThrow("does not give RTMR3");
    const moved = [Buffer.alloc(48, 1), ...rtmr.slice(1)];
    expect(() => verifyTdxEvidence(evidenceOf(intel.quote({ rtmr: moved }), log), trust)).toThrow(
      "does not give RTMR0",
    );
  });

  test.each(["{}", "[]", '{"quote":"%%"}', '{"quote":7}'])("evidence %s is refused", (text) => {
    expect(() => verifyTdxEvidence(text, trust)).toThrow("quote is not base64");
  });
});
