import { expect, test } from "vitest";
import { encodeReferenceValues } from "../../guest/attest/reference-values/format.ts";
import { encodeSnpEvidence } from "../../guest/attest/snp/evidence.ts";
import { run } from "../../guest/cli/verify.ts";
import { amd, makeEvidence, nonce } from "../attest/azure/signed-evidence.ts";
import { toPem } from "../attest/certificates.ts";
import { FakeAmd } from "../attest/snp/fake-amd.ts";
import { FakeIntel } from "../attest/tdx/fake-intel.ts";
import { runCommand, TestFolder } from "./command-under-test.ts";

const amdChain = toPem(amd.ask.data) + toPem(amd.root);
const future = new Date(Date.now() + 3_600_000);

test("evidence of Azure on standard input is verified, compared and printed", async () => {
  using folder = new TestFolder();
  const references = [{ name: "snp_pcr11", values: ["0b".repeat(32)] }];
  const args = [
    ...["-", "--root", folder.file("amd.pem", amdChain), "--report-data", nonce.toString("hex")],
    ...["--reference", folder.file("reference.json", encodeReferenceValues(references, future))],
  ];
  const { exitCode, stdout, stderr } = await runCommand(run, args, makeEvidence());
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({
    tee: "az-snp-vtpm",
    reportData: nonce.toString("hex"),
    initData: "08".repeat(32),
    compared: ["snp_pcr11"],
  });
});

test("evidence of SNP and TDX is told by its members", async () => {
  using folder = new TestFolder();
  const snp = folder.file("snp.json", encodeSnpEvidence(amd.report(), [amd.vcek]));
  const { stdout } = await runCommand(run, [snp, "--root", folder.file("amd.pem", amdChain)]);
  expect(JSON.parse(stdout)).toMatchObject({ tee: "snp", measurement: "ab".repeat(48), compared: [] });
  const intel = new FakeIntel();
  const evidence = JSON.stringify({ cc_eventlog: null, quote: intel.quote().toString("base64") });
  const tdx = await runCommand(run, ["-", "--root", folder.file("intel.pem", toPem(intel.root))], evidence);
  expect(JSON.parse(tdx.stdout)).toMatchObject({ tee: "tdx", measurement: "7d".repeat(48) });
});

test("A5: what doesn't fit is exit code 1 with the reason, and nothing on standard output", async () => {
  using folder = new TestFolder();
  const root = ["--root", folder.file("amd.pem", amdChain)];
  const other = folder.file("other.pem", toPem(new FakeAmd().root));
  const references = [{ name: "snp_pcr11", values: ["ff".repeat(32)] }];
  const reference = folder.file("reference.json", encodeReferenceValues(references, future));
  const initdata = folder.file("initdata.toml", 'algorithm = "sha256"\nversion = "0.1.0"\n[data]\n"a" = "b"\n');
  const cases = [
    [[...root, "--reference", reference], makeEvidence(), "snp_pcr11 is not among the reference values"],
    [[...root, "--initdata", initdata], makeEvidence(), "PCR 8"],
    [[...root, "--report-data", "00"], makeEvidence(), "nonce"],
    [["--root", other], makeEvidence(), "ASK"],
    [root, '{"svn":"1","report_data":""}', "proves nothing"],
    [root, "{}", "no TEE that is known"],
    [root, "evidence", "JSON"],
    [["--root", reference], makeEvidence(), "no certificate in PEM"],
  ] as const;
  for (const [args, evidence, reason] of cases) {
    const { exitCode, stdout, stderr } = await runCommand(run, ["-", ...args], evidence);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(reason);
  }
});

test.each([[[]], [["a", "b"]], [["a"]], [["a", "--root", "b", "--report-data", "xyz"]]])(
  "a wrong command line %j is exit code 2",
  async (args) => {
    using folder = new TestFolder();
    const root = folder.file("amd.pem", amdChain);
    const evidence = folder.file("evidence.json", makeEvidence());
    const files = args.map((arg) => ({ a: evidence, b: args.includes("--root") ? root : evidence })[arg] ?? arg);
    const { exitCode, stderr } = await runCommand(run, files);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("usage: podkeep verify");
  },
);

test("threat 77: --minimum-tcb refuses older firmware, of Azure's VMs, too, and takes nothing else for a version", async () => {
  using folder = new TestFolder();
  const root = ["--root", folder.file("amd.pem", amdChain)];
  const snp = encodeSnpEvidence(amd.report(), [amd.vcek]);
  const verify = async (minimum: string, evidence: string) => {
    const { exitCode, stderr } = await runCommand(run, ["-", ...root, "--minimum-tcb", minimum], evidence);
    return { exitCode, stderr };
  };
  for (const evidence of [snp, makeEvidence()]) {
    expect((await verify("snp=23,microcode=130", evidence)).exitCode).toBe(0);
    expect(await verify("snp=23,microcode=131", evidence)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("REPORTED_TCB (microcode)"),
    });
  }
  for (const wrong of ["", "snp", "snp=", "snp=256", "snp=-1", "other=1", "snp=1,snp=2", "snp=1,", "__proto__=1"])
    expect(await verify(wrong, snp)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("component") });
});
