import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { computeUkiRegisters } from "../../guest/attest/measure/uki.ts";
import { run } from "../../guest/cli/measure.ts";
import { buildSevFirmware, buildTdxFirmware } from "../attest/measure/firmware-builder.ts";
import { buildPe } from "../attest/measure/pe-builder.ts";
import { runCommand, TestFolder } from "./command-under-test.ts";

const initdata = 'algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n"policy.rego" = "package agent_policy\\n"\n';
const kernel = buildPe([{ name: ".text", content: "kernel" }]);
const uki = buildPe([
  { name: ".sdmagic", content: "#### LoaderInfo: systemd-stub 257.13-1 ####" },
  { name: ".linux", content: kernel },
]);

test("I5: an initdata document's values, in a table", async () => {
  using folder = new TestFolder();
  const digest = createHash("sha256").update(initdata).digest();
  const pcr8 = createHash("sha256").update(Buffer.alloc(32)).update(digest).digest("hex");
  const { exitCode, stdout } = await runCommand(run, ["--initdata", folder.file("initdata.toml", initdata)]);
  expect(exitCode).toBe(0);
  expect(stdout.split("\n").map((line) => line.split(/ +/))).toEqual([
    ["init_data", pcr8],
    ["init_data", digest.toString("hex")],
    ["init_data", digest.toString("hex") + "00".repeat(16)],
    ["snp_pcr08", pcr8],
    ["tdx_pcr08", pcr8],
    [""],
  ]);
});

test("I5: a whole image as reference values, and as the operator's config map", async () => {
  using folder = new TestFolder();
  const files = ["--initdata", folder.file("i.toml", initdata), "--uki", folder.file("a.efi", uki)];
  const { stdout } = await runCommand(run, [...files, "--json", "--expires", "2031-01-01", "--phases", "ready"]);
  const values = new Map(JSON.parse(stdout).map((entry: Record<string, unknown>) => [entry["name"], entry["value"]]));
  expect(values.get("snp_pcr11")).toEqual([computeUkiRegisters(uki, ["ready"]).pcr11]);
  expect([...values.keys()].filter((name) => String(name).startsWith("tdx"))).toEqual(
    ["03", "04", "08", "09", "11", "12"].map((pcr) => `tdx_pcr${pcr}`),
  );
  const map = await runCommand(run, [...files, "--config-map", "--namespace", "trustee"]);
  expect(map.stdout).toMatch(/^apiVersion: v1\nkind: ConfigMap\n.*namespace: trustee\n.*"name": "snp_pcr11"/s);
});

test("what can't be known is left out, with a note", async () => {
  using folder = new TestFolder();
  const old = buildPe([{ name: ".linux", content: kernel }]);
  const { exitCode, stdout, stderr } = await runCommand(run, ["--uki", folder.file("a.efi", old)]);
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("no PCR 4 and 9") });
  expect(stdout).not.toMatch(/pcr0[49]/);
  const sha384 = folder.file("i.toml", initdata.replace("sha256", "sha384"));
  expect((await runCommand(run, ["--initdata", sha384])).stderr).toContain("a vTPM binds sha256 only");
});

test("firmware: launch digest with CPUs, MRTD without", async () => {
  using folder = new TestFolder();
  const sev = folder.file(
    "sev.fd",
    buildSevFirmware([
      [0x80_0000, 0x1000, 1],
      [0x80_f000, 0x1000, 0x10],
    ]),
  );
  const launch = ["--ovmf", sev, "--vcpus", "2", "--vcpu-type", "EPYC-Milan"];
  const plain = await runCommand(run, launch);
  const direct = await runCommand(run, [...launch, "--kernel", folder.file("k", "kernel"), "--cmdline", "quiet"]);
  for (const { stdout } of [plain, direct]) expect(stdout).toMatch(/^snp_launch_measurement +[0-9a-f]{96}\n$/);
  expect(plain.stdout).not.toBe(direct.stdout);
  const tdx = folder.file("tdx.fd", buildTdxFirmware([]));
  expect((await runCommand(run, ["--ovmf", tdx])).stdout).toMatch(/^(mr_td +[0-9a-f]{96}\n){2}$/);
});

test.each([
  [[], "one of --initdata, --uki, --ovmf"],
  [["--phases", "ready"], "--phases needs --uki"],
  [["--ovmf", "x", "--vcpus", "1"], "--vcpus needs --vcpu-type"],
  [["--kernel", "x"], "--kernel needs --vcpus"],
  [["--ovmf", "x", "--sev-features", "1"], "--sev-features needs --vcpus"],
  [["--json", "--config-map"], "not both"],
  [["--expires", "soon"], "no date"],
  [["--namespace", "a: b"], "no Kubernetes name"],
  [["--ovmf", "/dev/null", "--vcpus", "1", "--vcpu-type", "Z80"], "--vcpu-type: CPU type Z80 is none of"],
  [["--ovmf", "/dev/null", "--vcpus", "one", "--vcpu-type", "EPYC"], "--vcpus is no number"],
  [["--unknown"], "unknown"],
])("a wrong command line %j says what is wrong, and how it goes", async (args, reason) => {
  const { exitCode, stdout, stderr } = await runCommand(run, args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  expect(stderr).toMatch(new RegExp(`${reason}.*usage: podkeep measure`, "is"));
});

test("a file that isn't what it should be is exit code 1", async () => {
  using folder = new TestFolder();
  const file = folder.file("file", "no image");
  for (const option of ["--initdata", "--uki", "--ovmf"]) {
    const { exitCode, stdout, stderr } = await runCommand(run, [option, file]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/^podkeep measure: .+\n$/);
  }
  expect(await runCommand(run, ["--help"])).toMatchObject({ exitCode: 0, stderr: "" });
});
