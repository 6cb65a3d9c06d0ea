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
/** What the fake chip has. */
const tcb = { fmc: null, bootloader: 10, tee: 1, snp: 23, microcode: 130 };

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
      tcb: { reported: tcb, committed: tcb, launch: tcb },
    });
  });

  test("threat 96: genuine, but of a VM with other initdata", () => {
    expect(() => verifyEvidence("snp", text, { ...expected, initDataDigest: Buffer.alloc(32) })).toThrow("HOST_DATA");
  });

  test("threat 95: genuine, but over another nonce", () => {
    expect(() => verifyEvidence("snp", text, { ...expected, reportData: Buffer.from("other") })).toThrow("REPORT_DATA");
  });

  test.each([
    ["debugging allowed", { policy: 0xb_0000n }, "POLICY (debugging)"],
    ["a migration agent", { policy: 0x7_0000n }, "POLICY (migration)"],
    ["another VMPL", { vmpl: 1 }, "VMPL 0"],
  ])("threat 78: evidence with %s is refused", (_name, change, reason) => {
    const report = amd.report({ reportData: padded, hostData: digest, ...change });
    expect(() => verifyEvidence("snp", encodeSnpEvidence(report, [amd.vcek]), expected)).toThrow(reason);
  });

  test.each([
    [{ microcode: 131 }, "REPORTED_TCB (microcode)"],
    [{ bootloader: 10, snp: 24 }, "REPORTED_TCB (snp)"],
    [{ fmc: 0 }, "REPORTED_TCB (fmc)"],
  ])("threat 77: firmware older than %j is refused", (minimumTcb, field) => {
    expect(() => verifyEvidence("snp", text, { ...expected, minimumTcb })).toThrow(field);
    verifyEvidence("snp", text, { ...expected, minimumTcb: { bootloader: 10, tee: 1, snp: 23, microcode: 130 } });
  });

  test.each([
    ["COMMITTED_TCB", 0x1e0],
    ["LAUNCH_TCB", 0x1f0],
  ])("threat 77: so is an older %s, though the chip reports a newer one", (field, offset) => {
    const report = amd.report({ reportData: padded, hostData: digest, outdatedAt: offset });
    const evidence = encodeSnpEvidence(report, [amd.vcek]);
    verifyEvidence("snp", evidence, expected);
    expect(() => verifyEvidence("snp", evidence, { ...expected, minimumTcb: { microcode: 130 } })).toThrow(
      `${field} (microcode)`,
    );
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

  test("threat 78: a debuggable VM is refused unless somebody insists", () => {
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
