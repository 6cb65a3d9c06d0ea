import { describe, expect, test } from "vitest";
import { detectTee, type PlatformProbe } from "../../guest/attest/detect.ts";
import { fitInitDataDigest, padReportData } from "../../guest/attest/report-data.ts";
import { sampleAttester, sampleDeviceAttester } from "../../guest/attest/sample/attester.ts";

const forever = new AbortController().signal;

describe("sample TEE", () => {
  test("evidence is the exact JSON, whatever the length of the data", async () => {
    expect(await sampleAttester.getEvidence(Buffer.from("xxxx"), forever)).toBe('{"svn":"1","report_data":"eHh4eA=="}');
    expect(await sampleAttester.getEvidence(new Uint8Array(0), forever)).toBe('{"svn":"1","report_data":""}');
    expect(await sampleDeviceAttester.getEvidence(Buffer.from([0]), forever)).toBe('{"svn":"2","report_data":"AA=="}');
  });

  test("it says that it can't bind initdata", async () => {
    expect(await sampleAttester.bindInitData(new Uint8Array(32))).toBe("unsupported");
  });
});

describe("detection", () => {
  const nothing: PlatformProbe = {
    tsmProvider: () => undefined,
    exists: () => false,
    readText: () => undefined,
    hclReportType: () => undefined,
    tpmDevice: () => undefined,
    architecture: "x64",
  };
  const having =
    (...paths: string[]) =>
    (path: string): boolean =>
      paths.includes(path);

  test.each<[string, Partial<PlatformProbe>]>([
    ["sample", {}],
    ["tdx", { tsmProvider: () => "tdx_guest" }],
    ["tdx", { exists: having("/dev/tdx_guest") }],
    ["sgx", { readText: (path) => (path === "/dev/attestation/attestation_type" ? "dcap" : undefined) }],
    ["az-tdx-vtpm", { hclReportType: () => 4, tpmDevice: () => "/dev/tpm0" }],
    ["az-snp-vtpm", { hclReportType: () => 2, exists: having("/sys/devices/platform/sev-guest") }],
    ["tpm", { hclReportType: () => 3, tpmDevice: () => "/dev/tpm0" }],
    ["snp", { exists: having("/sys/devices/platform/sev-guest"), tpmDevice: () => "/dev/tpm0" }],
    ["snp", { tsmProvider: () => "sev_guest" }],
    ["csv", { exists: having("/dev/csv-guest") }],
    ["cca", { tsmProvider: () => "arm_cca_guest", architecture: "arm64" }],
    ["sample", { tsmProvider: () => "arm_cca_guest" }],
    ["se", { readText: (path) => (path === "/sys/firmware/uv/prot_virt_guest" ? "1" : undefined) }],
    ["tdx", { tsmProvider: () => "tdx_guest", hclReportType: () => 4, tpmDevice: () => "/dev/tpm0" }],
  ])("finds %s", (tee, probe) => {
    expect(detectTee({ ...nothing, ...probe })).toBe(tee);
  });
});

describe("report data", () => {
  test("is padded with zeros, never cut", () => {
    expect(Buffer.from(padReportData(Buffer.from("ab"), 4, "SNP"))).toEqual(Buffer.from("ab\0\0"));
    expect(() => padReportData(new Uint8Array(65), 64, "SNP")).toThrow(
      "SNP Attester: Report data must be no more than 64 bytes",
    );
  });

  test("initdata digests are cut and padded, as verifiers do", () => {
    const digest = Buffer.from(Array.from({ length: 48 }, (_, index) => index));
    expect(Buffer.from(fitInitDataDigest(digest, 32))).toEqual(digest.subarray(0, 32));
    expect(Buffer.from(fitInitDataDigest(digest.subarray(0, 32), 48)).subarray(32)).toEqual(Buffer.alloc(16));
  });
});
