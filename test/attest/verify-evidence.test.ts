import { describe, expect, test } from "vitest";
import { encodeSnpEvidence } from "../../guest/attest/snp/evidence.ts";
import { verifyEvidence } from "../../guest/attest/verify-evidence.ts";
import { FakeAmd } from "./snp/fake-amd.ts";
import { FakeIntel } from "./tdx/fake-intel.ts";

const amd = new FakeAmd();
const intel = new FakeIntel();
const nonce = Buffer.from("nonce");
const padded = Buffer.concat([nonce, Buffer.alloc(59)]);
const digest = Buffer.alloc(32, 0x44);

describe("SNP", () => {
  const text = encodeSnpEvidence(amd.report({ reportData: padded, hostData: digest }), [amd.vcek]);
  const expected = { roots: [amd.root], intermediates: [amd.ask], reportData: nonce, initDataDigest: digest };

  test("I13: genuine and as expected", () => {
    expect(verifyEvidence("snp", text, { ...expected, now: new Date() })).toEqual({
      tee: "snp",
      measurement: "ab".repeat(48),
      reportData: padded.toString("hex"),
      initData: digest.toString("hex"),
      registers: [],
      logProven: false,
    });
  });

  test("threat 96: genuine, but of a VM with other initdata", () => {
    expect(() => verifyEvidence("snp", text, { ...expected, initDataDigest: Buffer.alloc(32) })).toThrow("HOST_DATA");
  });

  test("threat 95: genuine, but over another nonce", () => {
    expect(() => verifyEvidence("snp", text, { ...expected, reportData: Buffer.from("other") })).toThrow("REPORT_DATA");
  });
});

describe("TDX", () => {
  const mrConfigId = Buffer.concat([digest, Buffer.alloc(16)]);
  const evidenceOf = (quote: Buffer): string => JSON.stringify({ cc_eventlog: null, quote: quote.toString("base64") });
  const text = evidenceOf(intel.quote({ reportData: padded, mrConfigId }));
  const expected = { roots: [intel.root], reportData: nonce, initDataDigest: digest };

  test("I13: genuine and as expected", () => {
    expect(verifyEvidence("tdx", text, { ...expected, measurements: [Buffer.alloc(48, 0x7d)] })).toMatchObject({
      tee: "tdx",
      measurement: "7d".repeat(48),
      initData: mrConfigId.toString("hex"),
      registers: Array.from({ length: 4 }, () => "00".repeat(48)),
    });
  });

  test.each([
    ["REPORTDATA", { reportData: Buffer.from("other") }],
    ["MRCONFIGID", { initDataDigest: Buffer.alloc(32) }],
    ["MRTD", { measurements: [Buffer.alloc(48)] }],
  ])("genuine but not acceptable: %s", (field, change) => {
    expect(() => verifyEvidence("tdx", text, { ...expected, ...change })).toThrow(
      `TDX quote: ${field} is not as expected`,
    );
  });

  test("a debuggable VM is refused unless somebody insists", () => {
    const debuggable = evidenceOf(intel.quote({ reportData: padded, mrConfigId, attributes: 1n }));
    expect(() => verifyEvidence("tdx", debuggable, expected)).toThrow("debugging");
    verifyEvidence("tdx", debuggable, { ...expected, allowDebug: true });
  });
});

test("threat 101: sample evidence and unknown TEEs are refused", () => {
  const none = { roots: [] };
  expect(() => verifyEvidence("sample", '{"svn":"1","report_data":""}', none)).toThrow("proves nothing");
  expect(() => verifyEvidence("cca", "{}", none)).toThrow("can't be verified here");
  expect(() => verifyEvidence("tdx", encodeSnpEvidence(amd.report(), []), none)).toThrow("quote is not base64");
});
