import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { getuid } from "node:process";
import { describe, expect, test, vi } from "vitest";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import { writeFileAtomically } from "../../guest/sys/file.ts";
import { createCertificate, toPem } from "../attest/certificates.ts";
import { startKbs } from "../kbs/embedded/embedded-kbs.ts";
import { createIdentities, type Identities, type Identity } from "../stack/identities.ts";
import { connectWorker, type Stack, startStack } from "../stack/stack.ts";
import { containerId, dataHubConfig, initdataWith, policyWith } from "./pod-fixture.ts";

const serving = { status: 1 };

/** What a worker with these identities hears. */
async function checkedBy({ port }: Stack, identities: Identities): Promise<unknown> {
  const worker = await connectWorker({ host: "127.0.0.1", port }, identities);
  try {
    return await worker.call(Health.methods.Check, {}, { timeoutMs: 5000 });
  } finally {
    await worker.close();
  }
}

function apfOf({ server, client }: Identities): string {
  const keys = { "tls-server-cert": server.cert, "tls-server-key": server.key, "tls-client-ca": client.cert };
  return JSON.stringify(keys);
}

/** An authority of workers. */
function createWorkers(): { readonly authority: string; issue(name: string, notAfter?: Date): Identity } {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const commonName = "workers";
  return {
    authority: toPem(createCertificate({ commonName, ...keys, isAuthority: true })),
    issue(name, notAfter = new Date(Date.now() + 86_400_000)) {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const issuer = { commonName, privateKey: keys.privateKey };
      const notBefore = new Date(Date.now() - 172_800_000);
      const names = { commonName: "worker", alternativeNames: [name] };
      const cert = toPem(createCertificate({ ...names, publicKey, issuer, notBefore, notAfter }));
      return { cert, key: privateKey.export({ format: "pem", type: "pkcs8" }).toString() };
    },
  };
}

describe.skipIf(getuid?.() !== 0)("TLS of port 15150 (needs root)", () => {
  test("threat 1: a changed apf.json counts for new connections, a broken one for none; open ones live on", async () => {
    await using stack = await startStack();
    const apfFile = join(stack.directory, "peerpod/apf.json");
    const open = await stack.connect();
    const renewed = createIdentities();

    writeFileAtomically(apfFile, apfOf(renewed));
    await vi.waitFor(async () => expect(await checkedBy(stack, renewed)).toEqual(serving), { timeout: 20_000 });
    await expect(checkedBy(stack, stack.identities)).rejects.toMatchObject({ code: "unavailable" });
    expect(await open.call(Health.methods.Check, {})).toEqual(serving);

    writeFileAtomically(apfFile, apfOf(stack.identities).slice(0, -100));
    await vi.waitFor(() => expect(stack.output()).toContain("apf.json has changed and can't be used"), {
      timeout: 20_000,
    });
    expect(await checkedBy(stack, renewed)).toEqual(serving);
    expect(await open.call(Health.methods.Check, {})).toEqual(serving);
    await open.close();
  }, 60_000);

  test("threats 1, 2, 84: bound in initdata, the host's apf.json decides nothing", async () => {
    const workers = createWorkers();
    const owners: Identities = { ...createIdentities("podvm-server"), client: workers.issue("worker-1.example") };
    const hosts = createIdentities("podvm-server");
    const resources = { "pod/vm/certificate": owners.server.cert, "pod/vm/key": owners.server.key };
    const kbs = await startKbs({ resources });
    const initdata = initdataWith({
      "aa.toml": `[token_configs.kbs]\nurl = "${kbs.url}"\n`,
      "cdh.toml": dataHubConfig(kbs.url),
      "podkeep.toml": `[agent]
tls_client_ca = """
${workers.authority}"""
tls_client_name = "worker-1.example"
tls_server_certificate = "kbs:///pod/vm/certificate"
tls_server_key = "kbs:///pod/vm/key"
`,
      "policy.rego": policyWith("default ExecProcessRequest := false"),
    });
    try {
      // The host's own certificate and authority, all of it valid.
      await using stack = await startStack({ initdata, identities: owners, apf: JSON.parse(apfOf(hosts)) });
      expect(await checkedBy(stack, owners)).toEqual(serving);

      const refused: Readonly<Record<string, Identity>> = {
        "the host's worker": hosts.client,
        "a stranger": createWorkers().issue("worker-1.example"),
        "one whose certificate has expired": workers.issue("worker-1.example", new Date(Date.now() - 86_400_000)),
        "one of another name": workers.issue("worker-2.example"),
        nobody: { cert: "", key: "" },
      };
      for (const [who, client] of Object.entries(refused)) {
        const attempt = checkedBy(stack, { ...owners, client });
        await expect(attempt, who).rejects.toMatchObject({ code: "unavailable" });
      }
      await expect(checkedBy(stack, { ...hosts, client: owners.client })).rejects.toMatchObject({
        code: "unavailable",
      });

      // TLS says who speaks, the policy what may be done.
      const worker = await stack.connect();
      const denied = worker.call(AgentService.methods.ExecProcess, { container_id: containerId() });
      await expect(denied).rejects.toMatchObject({ code: "permission-denied" });
      await worker.close();
    } finally {
      await kbs.close();
    }
  }, 90_000);

  test("threat 2: what is no key in the key broker starts nothing, by its name and without its content", async () => {
    const owners = createIdentities("podvm-server");
    const kbs = await startKbs({ resources: { "pod/vm/certificate": owners.server.cert, "pod/vm/key": "SECRET" } });
    const initdata = initdataWith({
      "aa.toml": `[token_configs.kbs]\nurl = "${kbs.url}"\n`,
      "cdh.toml": dataHubConfig(kbs.url),
      "podkeep.toml":
        '[agent]\ntls_server_certificate = "kbs:///pod/vm/certificate"\ntls_server_key = "kbs:///pod/vm/key"\n',
      "policy.rego": policyWith(""),
    });
    try {
      const starting = startStack({ initdata, identities: owners });
      await expect(starting).rejects.toThrow(
        "kbs:///pod/vm/certificate and kbs:///pod/vm/key are no certificate and its key",
      );
      await expect(starting).rejects.not.toThrow(/SECRET/);
    } finally {
      await kbs.close();
    }
  }, 60_000);
});
