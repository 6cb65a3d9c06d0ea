import type { TeeName } from "./attester.ts";

/** What detection asks the machine. sys/ and the TPM fulfil it; tests answer from a table. */
export interface PlatformProbe {
  /** Text of `provider` in a new configfs-tsm entry, trimmed; undefined when there is no configfs-tsm or no provider. */
  tsmProvider(): string | undefined;
  exists(path: string): boolean;
  /** Content of a small file, trimmed; undefined when it is missing. */
  readText(path: string): string | undefined;
  /** Report type in the HCL report of Azure's paravisor; undefined without that report. */
  hclReportType(): number | undefined;
  /** Where the TPM is, if there is one. */
  tpmDevice(): string | undefined;
  /** `process.arch`. */
  readonly architecture: string;
}

/** Report types in an HCL report (spec/tee-abi.md 7.2). */
const hclSnp = 2;
const hclTdx = 4;

type Test = readonly [TeeName, (probe: PlatformProbe) => boolean];

/** In the order of the reference: Azure before bare SNP, TDX before Azure (spec/attestation-agent.md 4). */
const tests: readonly Test[] = [
  ["tdx", (probe) => probe.tsmProvider() === "tdx_guest" || probe.exists("/dev/tdx_guest")],
  ["sgx", (probe) => probe.readText("/dev/attestation/attestation_type") === "dcap"],
  ["az-tdx-vtpm", (probe) => probe.hclReportType() === hclTdx],
  ["az-snp-vtpm", (probe) => probe.hclReportType() === hclSnp],
  ["snp", (probe) => probe.exists("/sys/devices/platform/sev-guest") || probe.tsmProvider() === "sev_guest"],
  ["csv", (probe) => probe.exists("/dev/csv-guest")],
  ["cca", (probe) => probe.architecture === "arm64" && probe.tsmProvider() === "arm_cca_guest"],
  ["se", (probe) => probe.readText("/sys/firmware/uv/prot_virt_guest") === "1"],
  ["tpm", (probe) => probe.tpmDevice() !== undefined],
];

/**
 * Finds the TEE that this VM runs in: the first test that is true.
 *
 * @returns `sample` when none is; evidence of it proves nothing, so the caller should say so aloud
 */
export function detectTee(probe: PlatformProbe): TeeName {
  return tests.find(([, isPresent]) => isPresent(probe))?.[0] ?? "sample";
}
