import { generateKeyPairSync } from "node:crypto";
import { getuid } from "node:process";
import { describe, expect, onTestFinished, test } from "vitest";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { startKbs } from "../kbs/embedded/embedded-kbs.ts";
import { buildBusyboxImage } from "../registry/image-builder.ts";
import { startRegistry } from "../registry/registry.ts";
import { startStack } from "../stack/stack.ts";
import { dataHubConfig, initdataWith, openPod, policyWith, startPod } from "./pod-fixture.ts";

const agent = AgentService.methods;

describe.skipIf(getuid?.() !== 0)("what the owner has measured stays in force (needs root)", () => {
  test("I14: a worker can't weaken the initdata's policy by SetPolicy, even where that policy would let it", async () => {
    const policy = policyWith("default SetPolicyRequest := true\ndefault ExecProcessRequest := false\n");
    await using pod = await startPod({ initdata: initdataWith({ "policy.rego": policy }) });
    const id = await pod.start(["/bin/sleep", "60"]);
    const weaker = policyWith("default ExecProcessRequest := true\n");
    const blocked = (name: string) => ({ code: "permission-denied", message: `"${name} is blocked by policy: "` });
    await expect(pod.shim.client.call(agent.SetPolicy, { policy: weaker })).rejects.toMatchObject(
      blocked("SetPolicyRequest"),
    );
    await expect(pod.shim.exec(id, "e1", ["/bin/true"])).rejects.toMatchObject(blocked("ExecProcessRequest"));
    await pod.shim.removeContainer(id);
  }, 60_000);

  test("I14: which images need a signature is the key broker's to say, and one without isn't run", async () => {
    await using registry = await startRegistry();
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const signed = { type: "sigstoreSigned", keyPath: "kbs:///default/cosign-public-key/test" };
    const images = {
      default: [{ type: "reject" }],
      transports: {
        docker: {
          [`${registry.host}/app`]: [{ type: "insecureAcceptAnything" }],
          [`${registry.host}/signed`]: [signed],
        },
      },
    };
    const kbs = await startKbs({
      resources: {
        "default/security-policy/test": JSON.stringify(images),
        "default/cosign-public-key/test": String(publicKey.export({ type: "spki", format: "pem" })),
      },
    });
    onTestFinished(() => kbs.close());
    const dataHub = `${dataHubConfig(kbs.url)}\n[image]\nimage_security_policy_uri = "kbs:///default/security-policy/test"\n`;
    const initdata = initdataWith({
      "aa.toml": `[token_configs.kbs]\nurl = "${kbs.url}"\n`,
      "cdh.toml": dataHub,
      "policy.rego": policyWith("default ReadStreamRequest := true\n"),
    });
    await using stack = await startStack({ initdata });
    await using pod = await openPod(stack, registry);
    expect(await pod.run(["/bin/echo", "allowed"])).toMatchObject({ status: 0, stdout: "allowed\n" });
    for (const repository of ["signed", "elsewhere"]) {
      const built = buildBusyboxImage();
      registry.push(repository, "1", built);
      const image = `${registry.host}/${repository}@${built.manifest.digest}`;
      await expect(pod.start(["/bin/true"], { image })).rejects.toThrow(/signature|policy/);
    }
  }, 60_000);
});
