import { getuid } from "node:process";
import { describe, expect, test } from "vitest";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { startKbs } from "../kbs/embedded/embedded-kbs.ts";
import { initdataWith, policyWith, startPod } from "./pod-fixture.ts";

const agent = AgentService.methods;

/** Each stands at one place where a secret can be; none may show in the log. */
const canaries = {
  resource: "canary-resource-5c1e",
  unsealed: "canary-unsealed-77ab",
  variable: "canary-variable-90d2",
  argument: "canary-argument-31f8",
  denied: "canary-denied-64e0",
  file: "canary-file-0b9c",
  input: "canary-input-e2a4",
} as const;

/** A sealed secret that points to a resource; its signature is one that the initdata says not to look at. */
function sealedFor(path: string): string {
  const body = {
    version: "0.1.0",
    type: "vault",
    name: `kbs:///${path}`,
    provider: "kbs",
    provider_settings: {},
    annotations: {},
  };
  return `sealed.fakejwsheader.${Buffer.from(JSON.stringify(body)).toString("base64url")}.fakesignature`;
}

describe.skipIf(getuid?.() !== 0)("what the log tells, at its most talkative (needs root)", () => {
  test("threats 74, 137: no secret, no variable, no argument, no file, no input, at debug level", async () => {
    const resources = { "default/a/key": canaries.resource, "default/a/sealed": canaries.unsealed };
    const kbs = await startKbs({ resources });
    try {
      const initdata = initdataWith({
        "aa.toml": `[token_configs.kbs]\nurl = "${kbs.url}"\n`,
        "cdh.toml": `skip_sealed_secret_verification = true\n[kbc]\nname = "cc_kbc"\nurl = "${kbs.url}"\n`,
        "policy.rego": policyWith(`
          default ReadStreamRequest := true
          default WriteStreamRequest := true
          default CloseStdinRequest := true
          default ExecProcessRequest := false
          ExecProcessRequest if input.process.Args[0] == "/bin/cat"
        `),
      });
      await using pod = await startPod({ initdata, logLevel: "debug" });
      const { client } = pod.shim;

      const env = [`SEALED=${sealedFor("default/a/sealed")}`, `PLAIN=${canaries.variable}`];
      const url = "http://127.0.0.1:8006/cdh/resource/default/a/key";
      const script = `env; wget -q -O - ${url} # ${canaries.argument}`;
      const { status, stdout } = await pod.run(["/bin/sh", "-c", script], { env });
      expect(status).toBe(0);
      for (const name of ["resource", "unsealed", "variable"] as const) expect(stdout).toContain(canaries[name]);

      const id = await pod.start(["/bin/sleep", "1000"]);
      const exec = (execId: string, ...Args: string[]) => {
        const process = { Args, Env: ["PATH=/bin"], Cwd: "/", User: { UID: 0, GID: 0 } };
        return client.call(agent.ExecProcess, { container_id: id, exec_id: execId, process });
      };
      await expect(exec("denied", "/bin/echo", canaries.denied)).rejects.toMatchObject({ code: "permission-denied" });
      await exec("cat", "/bin/cat");
      const input = { container_id: id, exec_id: "cat", data: Buffer.from(canaries.input) };
      await client.call(agent.WriteStdin, input);
      await client.call(agent.CloseStdin, { container_id: id, exec_id: "cat" });
      expect((await pod.shim.collect(id, "cat")).stdout).toBe(canaries.input);
      const data = Buffer.from(canaries.file);
      await client.call(agent.CopyFile, {
        path: `${pod.stack.stateDirectory}/shared/containers/copied`,
        file_mode: 0o100644,
        dir_mode: 0o40755,
        file_size: BigInt(data.length),
        data,
      });

      const output = pod.stack.output();
      expect(output).toContain('"level":"debug"');
      for (const [name, canary] of Object.entries(canaries)) expect(output.includes(canary), name).toBe(false);
      await pod.shim.removeContainer(id);
    } finally {
      await kbs.close();
    }
  }, 90_000);
});
