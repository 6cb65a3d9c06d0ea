import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "../../guest/cli/initdata.ts";
import { minimalAnnotation, minimalDocument } from "../initdata/documents.ts";
import { runCommand, TestFolder } from "./command-under-test.ts";

const digest = "86fd1cca6de294f50a2849145173d667321cbb7d2c401d0117cf8ffd689b0775";

/** The sample of the specification has a broker that is reached without TLS, which the hub refuses. */
const acceptedDocument = minimalDocument.replaceAll("http:", "https:");
const accepted = createHash("sha256").update(acceptedDocument).digest();
const initdata = (args: readonly string[], stdin = "") => runCommand(run, args, stdin);

describe("podkeep initdata", () => {
  test("scenario I1: encode and decode give back the exact document", async () => {
    const encoded = await initdata(["encode", "-"], minimalDocument);
    expect(encoded).toMatchObject({ exitCode: 0, stderr: "" });
    expect(encoded.stdout).toMatch(/^H4sI[A-Za-z0-9+/]+=*\n$/);
    expect(await initdata(["decode", "-"], encoded.stdout)).toEqual({
      exitCode: 0,
      stdout: minimalDocument,
      stderr: "",
    });
  });

  test("scenario I6: decode shows what a published annotation hides", async () => {
    expect((await initdata(["decode", "-"], minimalAnnotation)).stdout).toBe(minimalDocument);
  });

  test("scenario I7: encode assembles a document of its parts", async () => {
    using folder = new TestFolder();
    const aa = folder.file("a.toml", "[token_configs.kbs]\nurl = 'https://kbs:8080'\n");
    const policy = folder.file("p.rego", "package agent_policy\n");
    const { stdout } = await initdata(["encode", "--aa", aa, "--policy", policy, "--algorithm", "sha384"]);
    const checked = await initdata(["check", "-"], stdout);
    expect(checked.stdout).toMatch(/^sha384:[0-9a-f]{96}; aa\.toml \(45 bytes\), policy\.rego \(21 bytes\)\n$/);
  });

  test("a typo in podkeep.toml is found by encode and by check", async () => {
    using folder = new TestFolder();
    const good = folder.file("good.toml", "[agent]\nidle_power_off_minutes = 30\n");
    const { stdout } = await initdata(["encode", "--podkeep", good]);
    expect((await initdata(["check", "-"], stdout)).stdout).toContain("; podkeep.toml (36 bytes)");

    const bad = folder.file("bad.toml", "[agent]\nidle_poweroff_minutes = 30\n");
    const problem = `initdata: data."podkeep.toml": agent.idle_poweroff_minutes: initdata can't set this key\n`;
    const encoded = await initdata(["encode", "--podkeep", bad]);
    expect(encoded).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(problem) });
    const document = `algorithm = "sha256"\nversion = "0.1.0"\n[data]\n"podkeep.toml" = "agent.idle_poweroff_minutes = 30"\n`;
    const checked = await initdata(["check", "-"], document);
    expect(checked).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(problem) });
  });

  test("scenario I7: check reads aa.toml and cdh.toml as the hub does", async () => {
    using folder = new TestFolder();
    const checkWith = async (option: string, text: string) => {
      const { stdout } = await initdata(["encode", option, folder.file("part.toml", text)]);
      return await initdata(["check", "-"], stdout);
    };
    const mistakes = [
      ["--aa", "[token_configs.kbs]\nurl = 5\n", "aa.toml: token_configs.kbs.url must be text"],
      ["--aa", "[token_configs.kbs]\nurl = 'http://kbs:8080'\n", "aa.toml: token_configs.kbs.url"],
      ["--cdh", '[kbc]\nname = "other_kbc"\n', "cdh.toml: kbc.name must be cc_kbc or offline_fs_kbc"],
    ] as const;
    for (const [option, text, problem] of mistakes)
      expect(await checkWith(option, text)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(problem) });
    const { exitCode, stderr } = await checkWith("--cdh", '[kbc]\nname = "offline_fs_kbc"\nkbs_crt = ""\n');
    expect(exitCode).toBe(0);
    expect(stderr).toContain("warning: cdh.toml: kbc.kbs_crt means nothing here\n");
  });

  test("encode writes the block device's image", async () => {
    using folder = new TestFolder();
    const image = join(folder.path, "initdata.img");
    await initdata(["encode", "--block-device", image, "-"], minimalDocument);
    expect(readFileSync(image).subarray(0, 8).toString()).toBe("initdata");
    expect((await initdata(["decode", image])).stdout).toBe(minimalDocument);
    const nowhere = join(folder.path, "missing/initdata.img");
    const { exitCode, stderr } = await initdata(["encode", "--block-device", nowhere, "-"], minimalDocument);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`${nowhere}: ENOENT`)]);
  });

  test("scenario I5: digest prints what each platform reports", async () => {
    const { stdout } = await initdata(["digest", "--json", "-"], minimalAnnotation);
    expect(JSON.parse(stdout)).toEqual({
      algorithm: "sha256",
      digest,
      digest_base64: "hv0cym3ilPUKKEkUUXPWZzIcu30sQB0BF8+P/WibB3U=",
      snp_host_data: digest,
      tdx_mrconfigid: `${digest}${"0".repeat(32)}`,
      cca_personalization_value: `${digest}${"0".repeat(64)}`,
      pcr8_sha256: "56236d94c0a855827cee7e57a28186706395366d34bc09b4dcc04632415cf4e9",
    });
    expect((await initdata(["digest", "-"], minimalDocument)).stdout).toContain(
      `digest                     ${digest}\n`,
    );
  });

  test("digest warns where a vTPM would cut it", async () => {
    const { stderr } = await initdata(["digest", "-"], minimalDocument.replace("sha256", "sha512"));
    expect(stderr).toContain("use sha256 where a vTPM binds initdata");
  });

  test("scenario I7: check names the key at fault, by the guest's own code", async () => {
    const checked = (document: string) => initdata(["check", "-"], document);
    expect(await checked(minimalDocument.replace("0.1.0", "0.2.0"))).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: 'podkeep initdata: initdata: version: must be "0.1.0", is "0.2.0"\n',
    });
    const broken = await checked(acceptedDocument.replace("default ExecProcessRequest := false", "default {"));
    expect(broken.exitCode).toBe(1);
    expect(broken.stderr).toMatch(/the policy does not load:\npolicy\.rego:5:/);
  });

  test("check warns of what will surprise", async () => {
    const good = await initdata(["check", "-"], acceptedDocument);
    expect(good.exitCode).toBe(0);
    expect(good.stderr).toMatch(/^warning: the policy has no rule for .*CreateContainerRequest/);
    const without = await initdata(["check", "-"], 'algorithm = "sha256"\nversion = "0.1.0"\n[data]');
    expect(without.stderr).toMatch(/^warning: no policy;/);
  });

  test.each([
    [["--expect", accepted.toString("hex")], 0],
    [["--expect", accepted.toString("base64")], 0],
    [["--expect", `${accepted.toString("hex")}${"0".repeat(32)}`, "--platform", "tdx"], 0],
    [["--expect", `${accepted.toString("hex")}${"0".repeat(32)}`], 1],
    [["--expect", digest], 1],
    [["--expect", "junk"], 2],
    [["--expect", digest, "--platform", "vax"], 2],
    [["--platform", "snp"], 2],
  ])("threat 81: check %j exits with %i", async (options, exitCode) => {
    expect((await initdata(["check", ...options, "-"], acceptedDocument)).exitCode).toBe(exitCode);
  });

  test.each([
    [[]],
    [["fly"]],
    [["encode"]],
    // A document has its parts and its algorithm already: neither may seem to be replaced.
    [["encode", "--aa", "a", "x"]],
    [["encode", "--algorithm", "sha384", "x"]],
    [["decode", "a", "b"]],
    [["decode", "--json", "x"]],
    [["digest", "--fast", "x"]],
  ])("wrong command line %j exits with 2 and says how", async (args) => {
    const { exitCode, stderr, stdout } = await initdata(args);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("usage: podkeep initdata encode");
  });

  test("a missing file is named", async () => {
    expect(await initdata(["decode", "/nowhere/x"])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("/nowhere/x: ENOENT"),
    });
  });

  test("--help", async () => {
    const { exitCode, stdout } = await initdata(["--help"]);
    expect([exitCode, stdout.startsWith("usage: ")]).toEqual([0, true]);
  });
});
