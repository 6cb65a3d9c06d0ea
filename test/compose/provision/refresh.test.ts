import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { encodeAnnotation } from "../../../guest/initdata/encodings.ts";
import { bytesOf, minimalAnnotation, minimalDocument } from "../../initdata/documents.ts";
import { MetadataService } from "../../initdata/user-data/metadata-service.ts";
import { createIdentities, type Identities } from "../../stack/identities.ts";
import {
  cloudConfig,
  leaveFile,
  leftFiles,
  modeOf,
  runProvision,
  runRefresh,
  type Scene,
  setScene,
} from "./provision-fixture.ts";

const first = createIdentities();
const second = createIdentities();
const credentials = (password: string): string => JSON.stringify({ auths: { "quay.io": { username: "u", password } } });

function apfOf({ server, client }: Identities, change: Readonly<Record<string, unknown>> = {}): string {
  const keys = { "tls-server-cert": server.cert, "tls-server-key": server.key, "tls-client-ca": client.cert };
  return JSON.stringify({ ...keys, ...change });
}

/** A pod VM that has been provisioned from cidata, with TLS. */
async function provisioned(files: Readonly<Record<string, string>> = {}): Promise<Scene> {
  const scene = setScene({}, { tls: "required" });
  leaveFile(scene.cidata, cloudConfig({ "apf.json": apfOf(first), initdata: minimalAnnotation, ...files }));
  expect((await runProvision(scene)).failure).toBe("");
  return scene;
}

/** What is there but the two files that a refresh replaces. */
function measuredFiles(scene: Scene): Readonly<Record<string, string>> {
  const { "apf.json": _apf, "auth.json": _auth, ...rest } = leftFiles(scene);
  return rest;
}

describe("podkeep provision --refresh", () => {
  test("threat 90: replaces apf.json and auth.json, and nothing else of what user data has changed to", async () => {
    const scene = await provisioned({ "auth.json": credentials("old") });
    const before = measuredFiles(scene);
    const other = minimalDocument.replace("192.168.122.1", "192.168.122.99");
    leaveFile(
      scene.cidata,
      cloudConfig({
        "apf.json": apfOf(second),
        "auth.json": credentials("new"),
        initdata: encodeAnnotation(bytesOf(other)),
        "aa.toml": "[token_configs.kbs]\nurl = 'http://evil'\n",
        "policy.rego": "package agent_policy\n",
        "scratch-space.marker": "",
      }),
    );
    const { failure, log } = await runRefresh(scene);
    expect(failure).toBe("");
    expect(leftFiles(scene)["apf.json"]?.trim()).toBe(apfOf(second));
    expect(leftFiles(scene)["auth.json"]?.trim()).toBe(credentials("new"));
    expect(measuredFiles(scene)).toEqual(before);
    for (const name of ["apf.json", "auth.json"]) expect(modeOf(join(scene.directory, name))).toBe(0o600);
    expect(log).toContain(join(scene.directory, "auth.json"));
    expect(log).not.toMatch(/BEGIN|password/);
  });

  test("brings credentials that there were none of; what user data has no more stays", async () => {
    const scene = await provisioned();
    leaveFile(scene.cidata, cloudConfig({ "auth.json": credentials("new") }));
    expect((await runRefresh(scene)).failure).toBe("");
    expect(leftFiles(scene)["auth.json"]?.trim()).toBe(credentials("new"));
    expect(leftFiles(scene)["apf.json"]?.trim()).toBe(apfOf(first));
  });

  test("replaces a file by a shorter one", async () => {
    const scene = await provisioned({ "auth.json": credentials("a password much longer than the next") });
    leaveFile(scene.cidata, cloudConfig({ "apf.json": apfOf(first), "auth.json": credentials("new") }));
    expect((await runRefresh(scene)).failure).toBe("");
    expect(leftFiles(scene)["auth.json"]?.trim()).toBe(credentials("new"));
  });

  test("leaves files alone that are the same", async () => {
    const scene = await provisioned();
    const { log } = await runRefresh(scene);
    expect(log).toContain('"replaced":[]');
  });

  test.each([
    ["a broken apf.json", { "apf.json": "{", "auth.json": credentials("new") }, "apf.json can't be used"],
    [
      "one without clients",
      { "apf.json": apfOf(second, { "tls-client-ca": "" }) },
      "needs the authority of the clients",
    ],
    ["broken credentials", { "apf.json": apfOf(second), "auth.json": "{" }, "auth.json can't be used"],
    ["a bad network", { "apf.json": apfOf(second, { "pod-network": "x" }) }, "pod-network"],
  ])("threat 84: with %s both files stay as they are", async (_what, files, problem) => {
    const scene = await provisioned({ "auth.json": credentials("old") });
    const before = leftFiles(scene);
    leaveFile(scene.cidata, cloudConfig(files));
    expect((await runRefresh(scene)).failure).toContain(problem);
    expect(leftFiles(scene)).toEqual(before);
  });

  test("user data that is gone or can't be read is a failure and changes nothing", async () => {
    const scene = await provisioned();
    const before = leftFiles(scene);
    leaveFile(scene.cidata, "#cloud-config\nruncmd: [reboot]\n");
    expect((await runRefresh(scene)).failure).toContain('has the key "runcmd"');
    rmSync(scene.cidata);
    expect((await runRefresh(scene)).failure).toContain("user data: cidata has given none");
    expect(leftFiles(scene)).toEqual(before);
  });

  test("asks the cloud that was asked at the start, though initdata lies there by now", async () => {
    await using service = await MetadataService.start();
    const serve = (apf: string): void =>
      void service.serve("GET /latest/user-data", cloudConfig({ "apf.json": apf, initdata: minimalAnnotation }));
    serve(apfOf(first));
    const scene = setScene({}, { tls: "required" });
    const machine = { vendor: "Alibaba Cloud", metadata: service.origin };
    expect((await runProvision(scene, machine)).failure).toBe("");
    serve(apfOf(second));
    expect((await runRefresh(scene, machine)).failure).toBe("");
    expect(leftFiles(scene)["apf.json"]?.trim()).toBe(apfOf(second));
  });

  test("has nothing to do on a machine without user data, and none before provisioning has succeeded", async () => {
    const scene = setScene();
    expect((await runRefresh(scene)).failure).toContain("podkeep provision has to succeed first");
    expect((await runProvision(scene)).failure).toBe("");
    const before = leftFiles(scene);
    const { failure, log } = await runRefresh(scene);
    expect(failure).toBe("");
    expect(log).toContain("nothing to refresh");
    expect(leftFiles(scene)).toEqual(before);
  });
});

describe("TLS material that the initdata brings", () => {
  const authority = first.client.cert;
  const settings = `[agent]
tls_client_ca = """
${authority}"""
tls_server_certificate = "kbs:///pod/vm/certificate"
tls_server_key = "kbs:///pod/vm/key"
`;
  const annotation = (podkeep: string): string =>
    encodeAnnotation(
      bytesOf(`algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n"podkeep.toml" = '''\n${podkeep}'''\n`),
    );

  test("threat 2: is not asked of apf.json, which may be missing, or bring none, or a broken one", async () => {
    for (const apf of [undefined, "{}", apfOf(second, { "tls-server-key": "broken", "tls-client-ca": "broken" })]) {
      const scene = setScene({}, { tls: "required" });
      const files = apf === undefined ? {} : { "apf.json": apf };
      leaveFile(scene.cidata, cloudConfig({ initdata: annotation(settings), ...files }));
      expect((await runProvision(scene)).failure).toBe("");
    }
  });

  test("threat 1: in part leaves the rest to apf.json, which has to be there", async () => {
    const partial = settings.replace(/tls_client_ca = """.*?"""\n/s, "");
    const scene = setScene({}, { tls: "required" });
    leaveFile(scene.cidata, cloudConfig({ initdata: annotation(partial), "apf.json": "{}" }));
    expect((await runProvision(scene)).failure).toContain("has no tls-client-ca");
    leaveFile(scene.cidata, cloudConfig({ initdata: annotation(partial) }));
    expect((await runProvision(scene)).failure).toMatch(/^no \S+apf.json: /);
    expect(leftFiles(scene)).toEqual({});
  });

  test("with a typo nothing is written, and the key is named", async () => {
    const scene = setScene();
    leaveFile(scene.cidata, cloudConfig({ initdata: annotation('[agent]\ntls_clientca = "x"\n'), "apf.json": "{}" }));
    expect((await runProvision(scene)).failure).toContain(
      `initdata: data."podkeep.toml": agent.tls_clientca: initdata can't set this key`,
    );
    expect(leftFiles(scene)).toEqual({});
  });
});
