import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseHclReport, parseRuntimeData } from "../../../guest/attest/azure/hcl-report.ts";
import { verifyAzureEvidence } from "../../../guest/attest/azure/verify.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import { FakeAmd } from "../snp/fake-amd.ts";
import { amd, type Faults, key, makeEvidence, nonce, pcrs } from "./signed-evidence.ts";

const trust = { roots: [amd.root], intermediates: [amd.ask] };

describe("evidence of Azure that is refused", () => {
  test("not this one", () => {
    const claims = verifyAzureEvidence("az-snp-vtpm", makeEvidence(), { ...trust, reportData: nonce });
    expect(claims.registers[23]).toBe("17".repeat(32));
  });

  const cases: readonly (readonly [string, Faults, string])[] = [
    [
      "a quote signed by another key",
      { signingKey: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey },
      "not signed by the key",
    ],
    [
      "PCRs that were not quoted",
      { shownPcrs: [...pcrs.slice(0, 23), Buffer.alloc(32)] },
      "not those that the vTPM quoted",
    ],
    ["a quote over some PCRs only", { quotedPcrs: [0, 8] }, "not over all PCRs"],
    ["something signed that no TPM made", { magic: 0x1234_5678 }, "was not made by a TPM"],
    ["runtime data that the hardware did not vouch for", { changeReportData: true }, "REPORT_DATA"],
    ["an HCL report over another nonce", { userData: Buffer.alloc(48, 1) }, "same nonce"],
    ["an HCL report over no nonce", { userData: undefined }, "same nonce"],
    [
      "a quote over another nonce",
      { quotedNonce: Buffer.alloc(48, 1), userData: Buffer.alloc(48, 1) },
      "the nonce is not as expected",
    ],
    ["a report of a VM without hardware report", { reportType: 3 }, "another TEE"],
    ["a VM that can be debugged", { policy: 0xb_0000n }, "POLICY (debugging)"],
  ];
  test.each(cases)("%s", (_name, faults, reason) => {
    const evidence = makeEvidence(faults);
    expect(() => verifyAzureEvidence("az-snp-vtpm", evidence, { ...trust, reportData: nonce })).toThrow(reason);
  });

  test("evidence under another authority, without intermediate, with other PCRs or another launch digest", () => {
    const evidence = makeEvidence();
    const refused = (expected: Parameters<typeof verifyAzureEvidence>[2]): void => {
      expect(() => verifyAzureEvidence("az-snp-vtpm", evidence, expected)).toThrow(
        expect.objectContaining({ code: "permission-denied" }),
      );
    };
    refused({ ...trust, roots: [new FakeAmd().root] });
    refused({ roots: trust.roots });
    refused({ ...trust, measurements: [Buffer.alloc(48)] });
    refused({ ...trust, pcrs: new Map([[11, [Buffer.alloc(32)]]]) });
    refused({ ...trust, pcrs: new Map([[11, []]]) });
    refused({ ...trust, pcrs: new Map([[24, [Buffer.alloc(32)]]]) });
  });

  test.each(["version", "tpm_quote", "hcl_report", "vcek"])("evidence without %s", (member) => {
    const evidence = JSON.parse(makeEvidence());
    delete evidence[member];
    expect(() => verifyAzureEvidence("az-snp-vtpm", JSON.stringify(evidence), trust)).toThrow(`${member} is missing`);
  });

  test("evidence of an older version, which doesn't bind the nonce twice", () => {
    const evidence = { ...JSON.parse(makeEvidence()), version: 1 };
    expect(() => verifyAzureEvidence("az-snp-vtpm", JSON.stringify(evidence), trust)).toThrow("version");
  });
});

describe("HCL reports that can't be read", () => {
  const good = Buffer.from(JSON.parse(makeEvidence()).hcl_report, "base64url");

  test("a report with zeros behind it is fine", () => {
    const padded = Buffer.concat([good, Buffer.alloc(700)]);
    expect(parseHclReport(padded).runtimeData).toEqual(parseHclReport(good).runtimeData);
  });

  test.each([
    ["cut off", good.subarray(0, good.length - 1)],
    ["too short", good.subarray(0, 1000)],
    ["too long", Buffer.concat([good, Buffer.alloc(20_000)])],
    ["of something else", Buffer.concat([Buffer.from("HCLB"), good.subarray(4)])],
  ])("%s", (_name, bytes) => {
    expect(() => parseHclReport(bytes)).toThrow(GuestError);
  });

  const jwk = { kid: "HCLAkPub", ...key.publicKey.export({ format: "jwk" }) };
  test.each([
    ["that are no object", [], "no keys"],
    ["without keys", {}, "no keys"],
    ["with keys that are none", { keys: 1 }, "no keys"],
    ["without attestation key", { keys: [{ ...jwk, kid: "HCLEkPub" }] }, "one attestation key"],
    ["with two attestation keys", { keys: [jwk, jwk] }, "one attestation key"],
    ["with a key of another kind", { keys: [{ ...jwk, kty: "EC" }] }, "no RSA attestation key"],
    ["with an empty key", { keys: [{ ...jwk, n: "" }] }, "weak attestation key"],
    ["with user data of another length", { keys: [jwk], "user-data": "00" }, "unusable user data"],
  ])("runtime data %s", (_name, data, reason) => {
    expect(() => parseRuntimeData(Buffer.from(JSON.stringify(data)))).toThrow(reason);
  });

  test("whatever byte is changed, evidence is refused or says the same", () => {
    const text = makeEvidence();
    const evidence = JSON.parse(text);
    const claims = verifyAzureEvidence("az-snp-vtpm", text, trust);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(good);
        changed.writeUInt8(changed.readUInt8(at) ^ change, at);
        const other = JSON.stringify({ ...evidence, hcl_report: changed.toString("base64url") });
        try {
          expect(verifyAzureEvidence("az-snp-vtpm", other, trust)).toEqual(claims);
        } catch (error) {
          if (!(error instanceof GuestError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});
