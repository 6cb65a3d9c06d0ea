import { readFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../../guest/initdata/digest.ts";
import { onlyInitData, startKbs } from "../kbs/embedded/embedded-kbs.ts";
import { buildBusyboxImage } from "../registry/image-builder.ts";
import { startRegistry } from "../registry/registry.ts";
import type { Steps } from "./steps.ts";

/** What the demo's key broker releases, and where. */
export const demoSecret = { path: "default/demo/secret", text: "the demo's secret, released after attestation" };

/** Content of /etc/motd in the demo's image. */
export const motd = "kept by podkeep\n";

/** The demo's pod: what its owner gives to the cluster. */
export interface DemoPod {
  /** Text of initdata.toml. */
  readonly initdata: string;
  /** The image, by digest. */
  readonly image: string;
}

/**
 * Runs a registry and a key broker on loopback while `action` runs a pod with them. The broker releases its secret to guests with
 * the pod's initdata only.
 *
 * @param host the address by which podkeep reaches this machine's loopback
 * @param policyOf text of the pod's policy, by the image's reference; the demo's when absent
 */
export async function withPodServices(
  steps: Steps,
  host: string,
  action: (pod: DemoPod) => Promise<void>,
  policyOf: (image: string) => string = demoPolicy,
): Promise<void> {
  await using registry = await steps.step("registry with an image of busybox", async () => await startRegistry());
  const image = buildBusyboxImage([{ name: "etc/motd", content: motd }]);
  registry.push("demo/app", "1", image);
  const registryHost = registry.host.replace("127.0.0.1", host);
  const reference = `${registryHost}/demo/app@${image.manifest.digest}`;

  // The broker's policy needs the digest of the initdata (in base64, as the sample verifier claims it), and the initdata needs the broker's address.
  const allowedDigests: string[] = [];
  const kbs = await steps.step("key broker with a secret for this pod only", () =>
    startKbs({
      resources: { [demoSecret.path]: demoSecret.text },
      policy: (input) => onlyInitData(...allowedDigests)(input),
    }),
  );
  try {
    const initdata = initdataOf(kbs.url.replace("127.0.0.1", host), registryHost, policyOf(reference));
    allowedDigests.push(Buffer.from(digestOf("sha256", Buffer.from(initdata))).toString("base64"));
    await action({ initdata, image: reference });
  } finally {
    await kbs.close();
  }
}

function demoPolicy(image: string): string {
  return readFileSync(join(import.meta.dirname, "policy.rego"), "utf8").replace("@IMAGE@", image);
}

/** Both services speak plain HTTP, which off loopback the initdata has to allow. */
function initdataOf(kbsUrl: string, registryHost: string, policy: string): string {
  return `algorithm = "sha256"
version = "0.1.0"

[data]
"aa.toml" = '''
[token_configs.kbs]
url = "${kbsUrl}"
allow_insecure_http = true
'''
"cdh.toml" = '''
[kbc]
name = "cc_kbc"
url = "${kbsUrl}"
allow_insecure_http = true

[[image.registry_config.registry]]
prefix = "${registryHost}"
location = "${registryHost}"
insecure = true
'''
"policy.rego" = '''
${policy}'''
`;
}
