import { createHash } from "node:crypto";
import { getuid } from "node:process";
import { describe, expect, test } from "vitest";
import { createServerIdentity } from "../attest/certificates.ts";
import { type EmbeddedKbs, startKbs } from "../kbs/embedded/embedded-kbs.ts";
import { annotatedEvidence } from "../kbs/embedded/verifier.ts";
import type { ProcessResult } from "../shim/kata-shim.ts";
import { initdataWith, policyWith, startPod } from "./pod-fixture.ts";

const secret = { path: "default/model/key", text: "the model's key" };
const resources = { [secret.path]: secret.text };

/** Initdata of a pod that uses this broker. @param certificate PEM that the broker has to have; absent: public roots */
function initdataFor(kbs: EmbeddedKbs, certificate?: string): string {
  const pem = (key: string): string => (certificate === undefined ? "" : `${key} = """\n${certificate}"""\n`);
  return initdataWith({
    "aa.toml": `[token_configs.kbs]\nurl = "${kbs.url}"\n${pem("cert")}`,
    "cdh.toml": `[kbc]\nname = "cc_kbc"\nurl = "${kbs.url}"\n${pem("kbs_cert")}`,
    "policy.rego": policyWith("default ReadStreamRequest := true"),
  });
}

/** What the workload of a pod with this initdata gets when it asks for the secret. */
async function fetchInPod(initdata: string): Promise<ProcessResult> {
  await using pod = await startPod({ initdata });
  return await pod.run(["/bin/wget", "-q", "-O", "-", `http://127.0.0.1:8006/cdh/resource/${secret.path}`]);
}

/** A broker that is stopped at the end of the block. */
async function openKbs(options: Parameters<typeof startKbs>[0]): Promise<EmbeddedKbs & AsyncDisposable> {
  const kbs = await startKbs({ resources, ...options });
  return { ...kbs, [Symbol.asyncDispose]: () => kbs.close() };
}

describe.skipIf(getuid?.() !== 0)("attestation of a whole pod (needs root)", () => {
  test("I9: a broker elsewhere is reached over https by the certificate in the initdata", async () => {
    await using kbs = await openKbs({ tls: createServerIdentity() });
    const result = await fetchInPod(initdataFor(kbs, kbs.certificate));
    expect(result).toEqual({ status: 0, stdout: secret.text, stderr: "" });
  }, 60_000);

  test("I9: without a certificate in the initdata a self-signed broker is refused before it hears anything", async () => {
    await using kbs = await openKbs({ tls: createServerIdentity() });
    const { status, stdout, stderr } = await fetchInPod(initdataFor(kbs));
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("500");
    expect(kbs.requests).toEqual([]);
  }, 60_000);

  test("K6: a key is released to the pod with the expected initdata; another one gets an HTTP error", async () => {
    const released = new Set<string>();
    await using kbs = await openKbs({
      policy: ({ claims }) => released.has(String(annotatedEvidence(claims)["init_data"])),
    });
    const expected = initdataFor(kbs);
    released.add(createHash("sha256").update(expected).digest("base64"));

    expect(await fetchInPod(expected)).toEqual({ status: 0, stdout: secret.text, stderr: "" });

    // One comment more is another document: attested as well, but to another digest.
    const other = await fetchInPod(`${expected}# changed\n`);
    expect({ status: other.status, stdout: other.stdout }).toEqual({ status: 1, stdout: "" });
    expect(other.stderr).toContain("500");
    expect(kbs.requests.at(-1)?.path).toContain(secret.path);
  }, 120_000);
});
