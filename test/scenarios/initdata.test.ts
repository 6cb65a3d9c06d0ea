import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { getuid } from "node:process";
import { afterEach, describe, expect, test } from "vitest";
import { encodeAnnotation } from "../../guest/initdata/encodings.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { startStack, writeStackFiles } from "../stack/stack.ts";
import { initdataWith, policyWith, startPod } from "./pod-fixture.ts";

const agent = AgentService.methods;
const launcher = resolve(import.meta.dirname, "../../guest/cli/podkeep");
const cdh = '[kbc]\nname = "offline_fs_kbc"\n';
const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** Runs `podkeep provision` to its end. */
async function provision(
  initdata: string,
  expectedDigest?: string,
): Promise<{ status: number | null; output: string; directory: string }> {
  const files = await writeStackFiles({ initdata, ...(expectedDigest === undefined ? {} : { expectedDigest }) });
  directories.push(files.directory);
  // A path that exists is left alone: these tests need no network namespace.
  writeFileSync(files.networkNamespace, "");
  const { status, stdout, stderr } = spawnSync(launcher, ["provision", "--config", files.configuration], {
    encoding: "utf8",
  });
  return { status, output: stdout + stderr, directory: join(files.directory, "peerpod") };
}

describe.skipIf(getuid?.() !== 0)("initdata (needs root)", () => {
  test("I1: TOML and annotation form give the same files and digest", async () => {
    const document = initdataWith({ "cdh.toml": cdh, "policy.rego": policyWith("") });
    const [plain, annotation] = [await provision(document), await provision(encodeAnnotation(Buffer.from(document)))];
    for (const file of ["initdata.toml", "initdata.digest", "cdh.toml", "policy.rego"]) {
      expect(readFileSync(join(annotation.directory, file), "utf8")).toBe(
        readFileSync(join(plain.directory, file), "utf8"),
      );
    }
  });

  test("I3: aa.toml, cdh.toml and policy.rego reach their daemons' files; unknown entries are skipped with a log line", async () => {
    const aa = "[eventlog_config]\nenable_eventlog = false\n";
    const { status, output, directory } = await provision(
      initdataWith({ "aa.toml": aa, "cdh.toml": cdh, "other.txt": "x" }),
    );
    expect(status).toBe(0);
    expect(readFileSync(join(directory, "aa.toml"), "utf8")).toBe(aa);
    expect(readFileSync(join(directory, "cdh.toml"), "utf8")).toBe(cdh);
    expect(output).toContain("other.txt");
  });

  test.each([
    ["a broken document", "algorithm = ", "TOML"],
    ["an unknown algorithm", initdataWith({}).replace("sha256", "md5"), "algorithm"],
    ["another version", initdataWith({}).replace("0.1.0", "0.2.0"), "version"],
    ["a broken cdh.toml", initdataWith({ "cdh.toml": "[kbc" }), "cdh.toml"],
    ["a broken annotation", "H4sIAAAA", "gzip"],
  ])("I3: %s stops the start with one line that names what is wrong", async (_, document, name) => {
    const { status, output, directory } = await provision(document);
    expect(status).toBe(1);
    expect(output).toContain(name);
    expect(() => readFileSync(join(directory, "initdata.toml"))).toThrow("ENOENT");
  });

  test("threat 81: another digest than the expected one starts nothing", async () => {
    const { status, output } = await provision(initdataWith({}), "00".repeat(32));
    expect(status).toBe(1);
    expect(output).toContain("digest");
  });

  test("P11: the initdata's policy replaces the image's completely", async () => {
    await using pod = await startPod({
      initdata: initdataWith({ "policy.rego": policyWith("default ReadStreamRequest := true") }),
    });
    expect((await pod.run(["/bin/echo", "x"])).stdout).toBe("x\n");
  }, 60_000);

  test("P11: a policy with a syntax error: nothing serves, and the error has its line", async () => {
    const initdata = initdataWith({ "policy.rego": "package agent_policy\n\ndefault X := \n" });
    await expect(startStack({ initdata })).rejects.toThrow(/policy does not load[\s\S]*agent_policy:\d/);
  }, 60_000);

  test("threat 10: without initdata and with the image's own policy nothing is allowed", async () => {
    await using stack = await startStack();
    const client = await stack.connect();
    await expect(client.call(agent.CreateSandbox, { sandbox_id: "s" })).rejects.toMatchObject({
      code: "permission-denied",
    });
    await client.close();
  }, 60_000);

  test("threat 12: SetPolicy can't replace the initdata's policy, whatever that policy says", async () => {
    await using stack = await startStack({
      initdata: initdataWith({ "policy.rego": policyWith("default SetPolicyRequest := true") }),
    });
    const client = await stack.connect();
    await expect(client.call(agent.SetPolicy, { policy: policyWith("") })).rejects.toMatchObject({
      code: "permission-denied",
    });
    await client.close();
  }, 60_000);

  test("P1: logs can be allowed without exec, exec without logs", async () => {
    const initdata = initdataWith({ "policy.rego": readFileSync("policy/logs-without-exec.rego", "utf8") });
    await using pod = await startPod({ initdata });
    const id = await pod.start(["/bin/sh", "-c", "echo logged; sleep 60"]);
    expect(await readSome(id)).toBe("logged\n");
    await expect(pod.shim.exec(id, "e", ["/bin/true"])).rejects.toMatchObject({ code: "permission-denied" });
    await pod.shim.removeContainer(id);

    async function readSome(containerId: string): Promise<string> {
      const request = { container_id: containerId, exec_id: containerId, len: 100 };
      const { data } = await pod.shim.client.call(agent.ReadStdout, request);
      return Buffer.from(data).toString();
    }
  }, 60_000);

  test("threat 58: a denied stream looks empty, and nothing of it is lost to the guest", async () => {
    await using pod = await startPod({
      initdata: initdataWith({ "policy.rego": policyWith("default ReadStreamRequest := false") }),
    });
    expect(await pod.run(["/bin/echo", "not for the host"])).toEqual({ status: 0, stdout: "", stderr: "" });
  }, 60_000);
});
