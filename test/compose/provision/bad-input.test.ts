import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { getuid } from "node:process";
import { describe, expect, test, vi } from "vitest";
import { encodeAnnotation } from "../../../guest/initdata/encodings.ts";
import { bytesOf, minimalAnnotation, minimalDocument } from "../../initdata/documents.ts";
import { type Answer, MetadataService } from "../../initdata/user-data/metadata-service.ts";
import { sampleConfiguration } from "../../network/pod-network-samples.ts";
import { createIdentities } from "../../stack/identities.ts";
import { cloudConfig, leaveFile, leftFiles, runProvision, type Scene, setScene } from "./provision-fixture.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const bomb = (): string => encodeAnnotation(Buffer.alloc(9 * 1024 * 1024, 0x23));

/** A scene whose cidata disk brings these files. */
function sceneOf(files: Readonly<Record<string, string>>, agent: Parameters<typeof setScene>[1] = {}): Scene {
  const scene = setScene({}, agent);
  leaveFile(scene.cidata, cloudConfig(files));
  return scene;
}

describe("initdata of user data", () => {
  test.each([
    ["empty", "", "base64: empty"],
    ["not base64", "H4sI****", "base64: not standard base64"],
    ["url-safe base64", minimalAnnotation.replaceAll("+", "-"), "base64: not standard base64"],
    ["not gzip", base64(minimalDocument), "gzip: not a gzip stream"],
    ["cut off", minimalAnnotation.slice(0, 200), "gzip: "],
    ["threat 86: two gzip members", twoMembers(), "data after the first member"],
    ["threat 86: a bomb", bomb(), "decompresses to more than 8388608 bytes"],
    ["not TOML", encodeAnnotation(bytesOf("algorithm = ")), "document: TOML line 1"],
    [
      "threat 87: a duplicate key",
      encodeAnnotation(bytesOf(`version = "0"\n${minimalDocument}`)),
      "document: TOML line",
    ],
    [
      "threat 89: md5",
      encodeAnnotation(bytesOf(minimalDocument.replace("sha256", "md5"))),
      "algorithm: must be one of",
    ],
    ["another version", encodeAnnotation(bytesOf(minimalDocument.replace("0.1.0", "9"))), 'version: must be "0.1.0"'],
  ])("%s: nothing is written, and the console says what is wrong", async (_name, initdata, problem) => {
    const scene = sceneOf({ initdata, "apf.json": "{}", "auth.json": '{"auths":{}}' });
    const { failure } = await runProvision(scene);
    expect(failure).toContain(`the initdata of user data (${scene.cidata}) can't be used: initdata: `);
    expect(failure).toContain(problem);
    expect(leftFiles(scene)).toEqual({});
  });

  test("a file that is there and can't be read is named, and never taken for none", async () => {
    const scene = setScene();
    mkdirSync(scene.configuration.provision.initdata, { recursive: true });
    const { failure } = await runProvision(scene);
    expect(failure).toMatch(/^the initdata of \S+\/peerpod\/initdata can't be used: EISDIR: /);
  });

  test("threat 81: another digest than the one expected, and none at all", async () => {
    for (const files of [{ initdata: minimalAnnotation }, { "apf.json": "{}" }]) {
      const scene = sceneOf(files);
      const provision = { ...scene.configuration.provision, expectedDigest: "ab".repeat(32) };
      const { failure } = await runProvision({ ...scene, configuration: { ...scene.configuration, provision } });
      expect(failure).toContain("initdata: digest: ");
      expect(failure).toContain("ab".repeat(32));
      expect(leftFiles(scene)).toEqual({});
    }
  });

  function twoMembers(): string {
    const member = Buffer.from(minimalAnnotation, "base64");
    return Buffer.concat([member, member]).toString("base64");
  }
});

describe("user data", () => {
  test.each([
    ["a key that is not allowed", "#cloud-config\nruncmd: [reboot]\n", 'has the key "runcmd"'],
    ["no YAML", "write_files: [", "user data: "],
    ["a script", "#!/bin/sh\nreboot\n", "no cloud-config: the document is not a mapping"],
    ["another tool's", '{"ignition":{"version":"3.0.0"}}', 'has the key "ignition"; allowed: write_files'],
    ["too long", "#".repeat(1024 * 1024 + 1), "longer than 1048576 bytes"],
    ["not UTF-8", Buffer.from([0x77, 0xff, 0xfe]), "the document is not valid UTF-8"],
    ["gzip", Buffer.from(minimalAnnotation, "base64"), "it is gzip; a cloud-config in plain text is expected"],
  ])("%s: nothing is written", async (_name, document, problem) => {
    const scene = setScene();
    leaveFile(scene.cidata, document);
    const { failure } = await runProvision(scene);
    expect(failure).toContain(`user data (${scene.cidata}) can't be used: user data: `);
    expect(failure).toContain(problem);
    expect(leftFiles(scene)).toEqual({});
  });

  test("threat 88: files outside of the allow-list are left out, a log line each; the others are written", async () => {
    const outside = [
      "/etc/podkeep/podkeep.toml",
      "/run/peerpod/../../etc/shadow",
      "aa.toml",
      "cdh.toml",
      "policy.rego",
    ];
    const files = Object.fromEntries(outside.map((path) => [path, "evil"]));
    const scene = sceneOf({ ...files, initdata: minimalAnnotation, "apf.json": "{}" });
    const { failure, log } = await runProvision(scene);
    expect(failure).toBe("");
    expect(JSON.stringify(leftFiles(scene))).not.toContain("evil");
    expect(log.match(/user data: file not taken/g)).toHaveLength(outside.length);
  });
});

describe("threat 90: a metadata service", () => {
  const asked = "GET /latest/user-data";
  const liesOf: readonly (readonly [string, Answer, string])[] = [
    [
      "that redirects",
      (_, response) => response.writeHead(302, { location: "http://127.0.0.1:9/" }).end(),
      "not followed",
    ],
    ["that has none", (_, response) => response.writeHead(404).end(), "answers 404 (the VM has no user data"],
    ["that is down", (_, response) => response.socket?.destroy(), "broke off"],
    [
      "that breaks off in the body",
      (_, response) => response.writeHead(200, { "content-length": "9" }).write("x", () => response.destroy()),
      "broke off",
    ],
  ];
  test.each(liesOf)("%s is asked again, and named when the time is over", async (_name, answer, problem) => {
    await using service = await MetadataService.start();
    service.answers.set(asked, answer);
    const scene = setScene({ source: "alibaba" });
    const { failure } = await runProvision(scene, { metadata: service.origin });
    expect(failure).toMatch(/^user data: alibaba has given none in 180 s \(attempts: \d\d\): .*127\.0\.0\.1:/);
    expect(failure).toContain(problem);
    expect(service.asked.length).toBeGreaterThan(10);
    expect(leftFiles(scene)).toEqual({});
  });

  test("that lies about the length, or never ends, is asked once", async () => {
    for (const answer of [declaresMuch, neverEnds]) {
      await using service = await MetadataService.start();
      service.answers.set(asked, answer);
      const { failure } = await runProvision(setScene({ source: "alibaba" }), { metadata: service.origin });
      expect(failure).toContain("user data: longer than 1048576 bytes");
      expect(service.asked).toHaveLength(1);
    }
  });

  test("that keeps silent, or drips, is given up when the time is over", async () => {
    for (const answer of [keepsSilent, drips]) {
      await using service = await MetadataService.start();
      service.answers.set(asked, answer);
      const { failure } = await runProvision(setScene({ source: "alibaba", timeoutSeconds: 0.3 }), {
        metadata: service.origin,
      });
      expect(failure).toMatch(/^user data: alibaba has given none in 0.3 s/);
    }
  });

  test("A12: what is waited for is on the console after 30 s, once", async () => {
    await using service = await MetadataService.start();
    service.answers.set(asked, (_, response) => response.writeHead(404).end());
    const { notices } = await runProvision(setScene({ source: "alibaba" }), { metadata: service.origin });
    expect(notices).toEqual([
      expect.stringMatching(/^user data: alibaba has given none in 30 of 180 s, trying on: .* 404/),
    ]);
  });

  test("threat 129: a proxy from the environment is not used", async () => {
    await using service = await MetadataService.start();
    service.serve(asked, cloudConfig({ "apf.json": "{}" }));
    for (const name of ["HTTP_PROXY", "http_proxy"]) vi.stubEnv(name, "http://127.0.0.1:9");
    vi.stubEnv("NODE_USE_ENV_PROXY", "1");
    try {
      const scene = setScene({ source: "alibaba" });
      expect((await runProvision(scene, { metadata: service.origin })).failure).toBe("");
    } finally {
      vi.unstubAllEnvs();
    }
  });

  const declaresMuch: Answer = (_, response) => response.writeHead(200, { "content-length": "99999999" }).end("x");
  const neverEnds: Answer = (_, response) => {
    const more = (): unknown => response.write(Buffer.alloc(65_536, 0x23), (error) => error ?? setImmediate(more));
    more();
  };
  const keepsSilent: Answer = () => {};
  const drips: Answer = (_, response) => {
    const timer = setInterval(() => response.write("#"), 20);
    response.on("close", () => clearInterval(timer));
  };
});

describe("apf.json", () => {
  const identities = createIdentities();
  const good = {
    "tls-server-cert": identities.server.cert,
    "tls-server-key": identities.server.key,
    "tls-client-ca": identities.client.cert,
    "pod-network": sampleConfiguration,
  };

  test("is taken with every field", async () => {
    const scene = sceneOf({ "apf.json": JSON.stringify(good) }, { tls: "required" });
    expect((await runProvision(scene)).failure).toBe("");
  });

  test.each([
    ["no JSON", "{", "JSON line 2, column 1"],
    ["a list", "[]", "it is no JSON object"],
    ["a certificate that is a number", { ...good, "tls-server-cert": 1 }, "tls-server-cert is no string"],
    ["no certificate", { "pod-network": null }, "no tls-server-cert"],
    ["a broken certificate", { ...good, "tls-server-cert": "PEM" }, "the TLS certificate is no PEM certificate"],
    ["no key", { ...good, "tls-server-key": null }, "tls-server-cert and tls-server-key go together"],
    ["a broken key", { ...good, "tls-server-key": "SECRET" }, "the TLS key is no PEM private key"],
    ["another's key", { ...good, "tls-server-key": identities.client.key }, "does not belong to the certificate"],
    [
      "no authority of the clients",
      { ...good, "tls-client-ca": "" },
      "has no tls-client-ca, and TLS needs the authority of the clients",
    ],
    ["a broken authority", { ...good, "tls-client-ca": "PEM" }, "the authority of the clients holds no PEM"],
    ["an old TLS", { ...good, "tls-min-version": "VersionTLS10" }, "VersionTLS12 or VersionTLS13"],
    ["an unknown cipher suite", { ...good, "tls-cipher-suites": ["TLS_ECDSA_ROT13", "x"] }, "cipher suite"],
    ["cipher suites that are a text", { ...good, "tls-cipher-suites": "x" }, "tls-cipher-suites is no list"],
    [
      "threat 122: another tunnel",
      { ...good, "pod-network": network("tunnel-type", "gre") },
      "pod-network: tunnel-type",
    ],
    [
      "threat 122: an interface like a path",
      { ...good, "pod-network": network("interface", "../x") },
      "pod-network: interface",
    ],
    [
      "threat 122: the pod on loopback",
      { ...good, "pod-network": network("podip", "127.0.0.2/8") },
      "pod-network: podip",
    ],
    ["threat 122: a pod-network that is a text", { ...good, "pod-network": "x" }, "pod-network: it is no JSON object"],
  ])("%s: nothing starts, and file and key are named", async (_name, apf, problem) => {
    const text = typeof apf === "string" ? apf : JSON.stringify(apf);
    const scene = sceneOf({ "apf.json": text, initdata: minimalAnnotation }, { tls: "required" });
    const { failure } = await runProvision(scene);
    expect(failure).toContain(`/apf.json can't be used (user data (${scene.cidata})): `);
    expect(failure).toContain(problem);
    expect(failure).not.toContain("SECRET");
    expect(leftFiles(scene)).toEqual({});
  });

  test("scenario N3: no user data at all is a line of its own, and so is user data without apf.json", async () => {
    const without = setScene({ source: "none" }, { tls: "required" });
    const { failure } = await runProvision(without);
    expect(failure).toMatch(/^no \S+\/apf.json: this machine has no user data, and port 15150/);
    const scene = sceneOf({ initdata: minimalAnnotation }, { tls: "required" });
    expect((await runProvision(scene)).failure).toContain("/apf.json: user data (");
    expect(leftFiles(scene)).toEqual({});
  });

  test("what cloud-init has written is checked, too", async () => {
    const scene = setScene({}, { tls: "required" });
    leaveFile(join(scene.directory, "apf.json"), "{}");
    expect((await runProvision(scene)).failure).toContain("/apf.json can't be used (the file that is there)");
  });

  function network(key: string, value: string): unknown {
    return { ...sampleConfiguration, [key]: value };
  }
});

test.each([
  ["no JSON", "{"],
  ["no auths", "{}"],
  ["an auth that is no base64", '{"auths":{"quay.io":{"auth":"!SECRET!"}}}'],
])("auth.json: %s is refused by name and never quoted", async (_name, text) => {
  const scene = sceneOf({ "auth.json": text });
  const { failure, log } = await runProvision(scene);
  expect(failure).toContain("/auth.json can't be used (user data (");
  expect(failure + log).not.toContain("SECRET");
  expect(leftFiles(scene)).toEqual({});
});

test("a network namespace that can't be made is named, and nothing is written", async () => {
  const scene = sceneOf({ "apf.json": "{}", initdata: minimalAnnotation });
  const networkNamespace = join(scene.cidata, "netns/podns");
  const agent = { ...scene.configuration.agent, networkNamespace };
  const { failure } = await runProvision({ ...scene, configuration: { ...scene.configuration, agent } });
  expect(failure).toBe(`the pod's network namespace ${networkNamespace} can't be made: ENOTDIR: Not a directory`);
  expect(leftFiles(scene)).toEqual({});
});

test("cidata that is asked for and may not be looked for is not waited for", async () => {
  const { failure } = await runProvision(setScene({ source: "cidata", cidata: "" }));
  expect(failure).toContain("provision.cidata");
});

test.each([0, -1, 3601, Number.NaN])("a time limit of %d s is no time limit", async (timeoutSeconds) => {
  const { failure } = await runProvision(setScene({ source: "aws", timeoutSeconds }));
  expect(failure).toContain("provision.timeout_seconds");
});

const isRoot = getuid?.() === 0;
if (!isRoot) console.warn("test/compose/provision/bad-input: mounting needs root");

describe.skipIf(!isRoot)("as root", () => {
  test("a full disk: the file is named and nothing stays behind, not even what was there before", async () => {
    const scene = setScene();
    mkdirSync(scene.directory);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", scene.directory]);
    try {
      leaveFile(scene.cidata, cloudConfig({ "apf.json": "{}", initdata: minimalAnnotation }));
      expect((await runProvision(scene)).failure).toBe("");
      const policy = `# ${randomBytes(60_000).toString("hex")}\npackage agent_policy\n`;
      const document = minimalDocument.replace("package agent_policy\n", policy);
      leaveFile(scene.cidata, cloudConfig({ "apf.json": "{}", initdata: encodeAnnotation(bytesOf(document)) }));
      expect((await runProvision(scene)).failure).toMatch(/\/policy\.rego can't be written: ENOSPC: /);
      expect(leftFiles(scene)).toEqual({});
    } finally {
      execFileSync("umount", [scene.directory]);
    }
  });

  test("a folder that can't be made is named", async () => {
    const scene = sceneOf({ "apf.json": "{}", initdata: minimalAnnotation });
    execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", scene.devices]);
    try {
      const directory = join(scene.devices, "peerpod");
      const provision = { ...scene.configuration.provision, directory };
      const { failure } = await runProvision({ ...scene, configuration: { ...scene.configuration, provision } });
      expect(failure).toMatch(/^\S+\/dev\/peerpod can't be written: E[A-Z]+: /);
    } finally {
      execFileSync("umount", [scene.devices]);
    }
  });

  test("`podkeep provision` says why it failed on standard error and ends with 1", () => {
    const scene = setScene();
    const configuration = join(dirname(scene.directory), "podkeep.toml");
    writeFileSync(
      configuration,
      `[provision]\nsource = "cidata"\ncidata = "${scene.cidata}"\ndirectory = "${scene.directory}"\ntpm = "off"\n`,
    );
    leaveFile(scene.cidata, cloudConfig({ initdata: base64("x") }));
    const launcher = resolve(import.meta.dirname, "../../../guest/cli/podkeep");
    const { status, stderr } = spawnSync(launcher, ["provision", "--config", configuration], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toBe(
      `podkeep provision: the initdata of user data (${scene.cidata}) can't be used: initdata: gzip: not a gzip stream\n`,
    );
  });
});
