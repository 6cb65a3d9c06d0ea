import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { parsePublicKey } from "../../guest/oci/policy/cosign.ts";
import { createImagePolicy, type KeyResolver } from "../../guest/oci/policy/image-policy.ts";
import { parseImagePolicy, requirementsFor } from "../../guest/oci/policy/policy-document.ts";
import { parseReference } from "../../guest/oci/reference.ts";
import {
  type Blob,
  type BuiltImage,
  buildImage,
  buildIndex,
  buildLayer,
  jsonBlob,
  machineArchitecture,
} from "../registry/image-builder.ts";
import type { Registry } from "../registry/registry.ts";
import { startPullFixture } from "./pull-fixture.ts";

const payloadType = "application/vnd.dev.cosign.simplesigning.v1+json";
const policyFile = (value: unknown) => parseImagePolicy(Buffer.from(JSON.stringify(value)));
const reject = [{ type: "reject" }];
const accept = [{ type: "insecureAcceptAnything" }];
const noKeys: KeyResolver = async () => {
  throw new Error("no key was expected to be fetched");
};

const pem = (key: KeyObject) => String(key.export({ type: "spki", format: "pem" }));

/** Puts a cosign signature beside an image: a payload that names it, signed. */
function pushSignature(
  registry: Registry,
  repository: string,
  target: Blob,
  sign1: (payload: Buffer) => Buffer,
  changes: { name?: string; digest?: string } = {},
): void {
  const { name = `${registry.host}/${repository}`, digest = target.digest } = changes;
  const critical = {
    identity: { "docker-reference": name },
    image: { "docker-manifest-digest": digest },
    type: "cosign container image signature",
  };
  const payload = jsonBlob(payloadType, { critical, optional: null });
  const annotations = { "dev.cosignproject.cosign/signature": sign1(payload.bytes).toString("base64") };
  const manifest = buildImage([{ ...payload, diffId: payload.digest, annotations }]);
  registry.push(repository, `${target.digest.replace(":", "-")}.sig`, manifest);
}

const image = () => buildImage([buildLayer([{ name: "a", content: "x" }])]);

/** Pulls an image under a policy that asks for this key; the image is signed as told. */
async function pullSigned(
  key: KeyObject,
  signAs: (registry: Registry, built: BuiltImage) => void,
  requirement: Record<string, unknown> = {},
): Promise<unknown> {
  const document = policyFile({ default: [{ type: "sigstoreSigned", keyData: pem(key), ...requirement }] });
  await using fixture = await startPullFixture({ policy: createImagePolicy(document, noKeys) });
  const built = image();
  const reference = fixture.registry.push("team/app", "v1", built);
  signAs(fixture.registry, built);
  try {
    return await fixture.pull(reference);
  } finally {
    expect(
      fixture.registry.requests.filter((line) => built.layers.some(({ digest }) => line.endsWith(digest))).length,
    ).toBeLessThan(2);
  }
}

const denied = expect.objectContaining({
  kind: "policy",
  message: expect.stringContaining("Image policy rejected: Denied by policy: rejected by `sigstoreSigned` rule"),
});

describe("cosign signatures", () => {
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signWith =
    (key: KeyObject, hash: string | null = "sha256") =>
    (payload: Buffer) =>
      sign(hash, payload, key);
  const signed =
    (key: KeyObject, changes: { name?: string; digest?: string } = {}) =>
    (registry: Registry, built: BuiltImage) =>
      pushSignature(registry, "team/app", built.manifest, signWith(key), changes);

  test("the worked example of spec/image-pull.md 14.2 verifies", () => {
    const payload =
      '{"critical":{"identity":{"docker-reference":"registry.example.com/team/app"},"image":{"docker-manifest-digest":"sha256:37c44c788d9e4cf458c5306258ea773fdb83ee38af4b418a9b3684142e643acd"},"type":"cosign container image signature"},"optional":null}';
    const key = parsePublicKey(
      "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEadg0Raj0PF2rqrnPWPjblwXWClHE\n3bMUdI1B1bypzmkZKiQuTzCNcIjJS5SGDsXYI/qHPEzBAoaw+SeVmCBIuA==\n-----END PUBLIC KEY-----\n",
    );
    const signature =
      "MEQCICsHxYopYuPnv5T+TEaBUNMl2lQFj4GSK5YVUY8keJ1OAiBGC1MQSxSiluo2f9kulWWhNhNJ07XpnImpu6dGWWkq2g==";
    expect(verify("sha256", Buffer.from(payload), key, Buffer.from(signature, "base64"))).toBe(true);
  });

  test.each([
    ["EC P-256", generateKeyPairSync("ec", { namedCurve: "P-256" }), "sha256"],
    ["EC P-384", generateKeyPairSync("ec", { namedCurve: "P-384" }), "sha384"],
    ["RSA", generateKeyPairSync("rsa", { modulusLength: 2048 }), "sha256"],
    ["Ed25519", generateKeyPairSync("ed25519"), null],
  ])("%s keys", async (_name, { publicKey, privateKey }, hash) => {
    await pullSigned(publicKey, (registry, built) =>
      pushSignature(registry, "team/app", built.manifest, signWith(privateKey, hash)),
    );
  });

  test("a signature of the index counts for the image that it leads to", async () => {
    const document = policyFile({
      default: [{ type: "sigstoreSigned", keyData: Buffer.from(pem(ec.publicKey)).toString("base64") }],
    });
    await using fixture = await startPullFixture({ policy: createImagePolicy(document, noKeys) });
    const built = image();
    const index = buildIndex([{ image: built, platform: { os: "linux", architecture: machineArchitecture() } }]);
    fixture.registry.push("team/app", "amd64", built);
    fixture.registry.pushManifest("team/app", "v1", index);
    pushSignature(fixture.registry, "team/app", index, signWith(ec.privateKey));
    await fixture.pull(`${fixture.registry.host}/team/app:v1`);
  });

  test("threat 105: no signature, another key's, another image's, a broken one", async () => {
    await expect(pullSigned(ec.publicKey, () => {})).rejects.toThrow(denied);
    await expect(pullSigned(ec.publicKey, signed(other.privateKey))).rejects.toThrow(denied);
    await expect(
      pullSigned(ec.publicKey, signed(ec.privateKey, { digest: `sha256:${"0".repeat(64)}` })),
    ).rejects.toThrow(denied);
    const broken = (registry: Registry, built: BuiltImage) =>
      pushSignature(registry, "team/app", built.manifest, () => Buffer.from("x"));
    await expect(pullSigned(ec.publicKey, broken)).rejects.toThrow(denied);
  });

  test("identities", async () => {
    const matchRepository = { signedIdentity: { type: "matchRepository" } };
    const exact = { signedIdentity: { type: "exactRepository", dockerRepository: "registry.example.com/team/app" } };
    const foreign = { name: "registry.example.com/team/app" };
    await pullSigned(ec.publicKey, signed(ec.privateKey), matchRepository);
    await pullSigned(ec.publicKey, signed(ec.privateKey, foreign));
    await pullSigned(ec.publicKey, signed(ec.privateKey, foreign), exact);
    await expect(pullSigned(ec.publicKey, signed(ec.privateKey, foreign), matchRepository)).rejects.toThrow(denied);
    await expect(pullSigned(ec.publicKey, signed(ec.privateKey), exact)).rejects.toThrow(denied);
    await expect(
      pullSigned(ec.publicKey, signed(ec.privateKey), { signedIdentity: { type: "matchExact" } }),
    ).rejects.toThrow(denied);
  });

  test("threat 106: the key comes from the resolver, and no key means no image", async () => {
    const document = policyFile({ default: [{ type: "sigstoreSigned", keyPath: "kbs:///default/cosign/key" }] });
    const asked: string[] = [];
    let key: Uint8Array = Buffer.from(pem(ec.publicKey));
    const resolve: KeyResolver = async (uri) => {
      asked.push(uri);
      return key;
    };
    await using fixture = await startPullFixture({ policy: createImagePolicy(document, resolve) });
    const built = image();
    const reference = fixture.registry.push("team/app", "v1", built);
    pushSignature(fixture.registry, "team/app", built.manifest, signWith(ec.privateKey));
    await fixture.pull(reference, "one");
    // The layers are here by now; the policy is asked all the same.
    for (const bad of [
      "",
      "no pem",
      pem(createPublicKey(generateKeyPairSync("x25519").publicKey.export({ type: "spki", format: "pem" }))),
    ]) {
      key = Buffer.from(bad);
      await expect(fixture.pull(reference, "two")).rejects.toThrow(denied);
    }
    expect(asked).toHaveLength(4);
  });
});

describe("policy files", () => {
  const document = policyFile({
    default: reject,
    transports: {
      docker: {
        "registry.example.com/team": accept,
        "registry.example.com/team/app:bad": reject,
        "docker.io/library/busybox": accept,
        "*.internal.example": accept,
        "*.deep.internal.example": reject,
        "host.example:5000": accept,
      },
      other: { "": accept },
    },
  });

  test.each([
    ["registry.example.com/team/app:v1", "insecureAcceptAnything"],
    ["registry.example.com/team/app:bad", "reject"],
    ["registry.example.com/teamwork/app", "reject"],
    ["registry.example.com/other", "reject"],
    ["busybox", "insecureAcceptAnything"],
    ["a.internal.example:5000/x", "insecureAcceptAnything"],
    ["a.deep.internal.example/x", "reject"],
    ["internal.example/x", "reject"],
    ["host.example:5000/x", "insecureAcceptAnything"],
    ["host.example/x", "reject"],
  ])("%s: %s", (reference, kind) => {
    expect(requirementsFor(document, parseReference(reference)).map((requirement) => requirement.kind)).toEqual([kind]);
  });

  test("all requirements must hold; signedBy never does", async () => {
    for (const requirements of [
      reject,
      [...accept, ...reject],
      [{ type: "signedBy", keyType: "GPGKeys", keyPath: "/x" }],
    ]) {
      const policy = createImagePolicy(policyFile({ default: requirements }), noKeys);
      await using fixture = await startPullFixture({ policy });
      await expect(fixture.pull(fixture.registry.push("a", "v1", image()))).rejects.toThrow(
        expect.objectContaining({ kind: "policy" }),
      );
      expect(fixture.remains()).toEqual([]);
    }
  });

  test.each([
    [{}],
    [{ default: [] }],
    [{ default: accept, transport: {} }],
    [{ default: [{ type: "unknown" }] }],
    [{ default: [{ type: "reject", keyPath: "x" }] }],
    [{ default: [{ type: "sigstoreSigned" }] }],
    [{ default: [{ type: "sigstoreSigned", keyPath: "a", keyData: "b" }] }],
    [{ default: [{ type: "sigstoreSigned", keyPath: "a", signedIdentiy: {} }] }],
    [{ default: [{ type: "sigstoreSigned", keyPath: "a", signedIdentity: { type: "x" } }] }],
    [{ default: [{ type: "sigstoreSigned", keyPaths: ["a"] }] }],
    [{ default: accept, transports: { docker: { "": [] } } }],
    [[]],
  ])("threat 106: refuses %j", (value) => {
    expect(() => policyFile(value)).toThrow("Invalid image policy file");
  });
});
