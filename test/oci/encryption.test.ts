import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { GuestError } from "../../guest/core/errors.ts";
import { collect } from "../../guest/oci/content.ts";
import { parseDigest } from "../../guest/oci/digest.ts";
import { createLayerDecryptor } from "../../guest/oci/encryption/layer-decryptor.ts";
import { type BuiltLayer, buildImage, buildLayer, sha256 } from "../registry/image-builder.ts";
import { readText, startPullFixture } from "./pull-fixture.ts";

const base64 = (value: unknown) =>
  (value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(JSON.stringify(value))).toString("base64");
const keysAnnotation = "org.opencontainers.image.enc.keys.provider.attestation-agent";
const optionsAnnotation = "org.opencontainers.image.enc.pubopts";

/** The example of spec/image-pull.md 14.1. */
const example = {
  ciphertext: Buffer.from("c668a4fe03fff3eb29068b316046066cbe7e", "hex"),
  digest: parseDigest("sha256:6a808b059b943a3b08636ada499ff17ea4da4cb07534eef4d58e70a9f2ef38a4", "example"),
  options:
    "eyJjaXBoZXIiOiJBRVNfMjU2X0NUUl9ITUFDX1NIQTI1NiIsImhtYWMiOiJqTjg2MU1ieHJYU0VhS1QzY3FGajBHKzJjSHpWa3BvNWxSbmNNT0Z6Z1owPSIsImNpcGhlcm9wdGlvbnMiOnt9fQ==",
  privateOptions:
    '{"symkey":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","digest":"sha256:c042019eb661695df218d05006eb384ff769af56f348a624d18ba08b724ade05","cipheroptions":{"nonce":"8PHy8/T19vf4+fr7/P3+/w=="}}',
};

async function decryptExample(ciphertext: Buffer, privateOptions: string): Promise<string> {
  const annotations = new Map([
    [optionsAnnotation, example.options],
    [keysAnnotation, base64({ kid: "x" })],
  ]);
  const decryptor = createLayerDecryptor(async () => Buffer.from(privateOptions));
  async function* source() {
    for (const byte of ciphertext) yield Buffer.from([byte]);
  }
  const layer = { mediaType: "", digest: example.digest, size: ciphertext.length, annotations };
  const decrypt = await decryptor(layer, new AbortController().signal);
  return (await collect(decrypt(source()))).toString();
}

describe("ocicrypt", () => {
  test("the worked example decrypts", async () => {
    expect(await decryptExample(example.ciphertext, example.privateOptions)).toBe("This is some text!");
  });

  test("altered ciphertext, another key, another digest of the plain bytes", async () => {
    const altered = Buffer.from(example.ciphertext);
    altered[3] = 0;
    await expect(decryptExample(altered, example.privateOptions)).rejects.toThrow(/HMAC/);
    await expect(decryptExample(example.ciphertext, example.privateOptions.replace("AAEC", "AAED"))).rejects.toThrow(
      /HMAC/,
    );
    await expect(decryptExample(example.ciphertext, example.privateOptions.replace("c042", "c043"))).rejects.toThrow(
      /another digest/,
    );
  });
});

/** Encrypts a layer; its packet names the key by `kid`. */
function encryptLayer(layer: BuiltLayer, kid: string): { layer: BuiltLayer; privateOptions: Buffer } {
  const key = randomBytes(32);
  const nonce = randomBytes(16);
  const bytes = createCipheriv("aes-256-ctr", key, nonce).update(layer.bytes);
  const hmac = createHmac("sha256", key).update(bytes).digest();
  const options = { cipher: "AES_256_CTR_HMAC_SHA256", hmac: base64(hmac), cipheroptions: {} };
  const annotations = {
    [optionsAnnotation]: base64(options),
    [keysAnnotation]: `${base64({ kid: "kbs:///other/key/x" })},${base64({ kid })}`,
  };
  const secret = { symkey: base64(key), digest: layer.digest, cipheroptions: { nonce: base64(nonce) } };
  const encrypted = { ...layer, mediaType: `${layer.mediaType}+encrypted`, bytes, digest: sha256(bytes), annotations };
  return { layer: encrypted, privateOptions: Buffer.from(JSON.stringify(secret)) };
}

describe("encrypted images", () => {
  const kid = "kbs:///default/image-key/demo";
  const plain = buildLayer([{ name: "plain", content: "open" }]);

  test("a mix of plain and encrypted layers; recipients are tried in order", async () => {
    const { layer, privateOptions } = encryptLayer(buildLayer([{ name: "secret", content: "hidden" }]), kid);
    const asked: string[] = [];
    const decrypt = createLayerDecryptor(async (packet) => {
      asked.push(String(JSON.parse(Buffer.from(packet).toString()).kid));
      if (asked.at(-1) !== kid) throw new GuestError("permission-denied", "not yours");
      return privateOptions;
    });
    await using fixture = await startPullFixture({ decrypt });
    const { rootfsPath } = await fixture.pull(fixture.registry.push("a", "v1", buildImage([plain, layer])));
    expect(readText(rootfsPath, "secret")).toBe("hidden");
    expect(asked).toEqual(["kbs:///other/key/x", kid]);
  });

  test("threat 109: a key that is not released gives one and the same error, and nothing is unpacked", async () => {
    const { layer } = encryptLayer(buildLayer([{ name: "secret" }]), kid);
    const decrypt = createLayerDecryptor(async () => {
      throw new GuestError("not-found", "no key of that name");
    });
    await using fixture = await startPullFixture({ decrypt });
    const failure = fixture.pull(fixture.registry.push("a", "v1", buildImage([layer])));
    await expect(failure).rejects.toThrow(/please ensure that the decryption key is placed and correct$/);
    expect(fixture.remains()).toEqual([]);
    expect(fixture.layers()).toEqual([]);
  });

  test("threat 109: a flood of wrapped keys doesn't reach the key broker", async () => {
    const { layer } = encryptLayer(buildLayer([{ name: "secret" }]), kid);
    const annotations = { ...layer.annotations, [keysAnnotation]: Array(100).fill(base64({ kid })).join(",") };
    let asked = 0;
    const decrypt = createLayerDecryptor(async () => {
      asked++;
      return Buffer.alloc(0);
    });
    await using fixture = await startPullFixture({ decrypt });
    const failure = fixture.pull(fixture.registry.push("a", "v1", buildImage([{ ...layer, annotations }])));
    await expect(failure).rejects.toThrow(expect.objectContaining({ kind: "decryption" }));
    expect(asked).toBe(0);
  });

  test("a layer whose HMAC is wrong is removed, though all of it was unpacked", async () => {
    const { layer, privateOptions } = encryptLayer(buildLayer([{ name: "secret", content: "hidden" }]), kid);
    const options = { cipher: "AES_256_CTR_HMAC_SHA256", hmac: base64(Buffer.alloc(32)), cipheroptions: {} };
    const annotations = { ...layer.annotations, [optionsAnnotation]: base64(options) };
    await using fixture = await startPullFixture({ decrypt: createLayerDecryptor(async () => privateOptions) });
    const failure = fixture.pull(fixture.registry.push("a", "v1", buildImage([{ ...layer, annotations }])));
    await expect(failure).rejects.toThrow(expect.objectContaining({ kind: "decryption" }));
    expect(fixture.remains()).toEqual([]);
    expect(fixture.layers()).toEqual([]);
  });

  test.each([
    ["no options", { [keysAnnotation]: base64({}) }],
    ["no keys", { [optionsAnnotation]: base64({ cipher: "AES_256_CTR_HMAC_SHA256", hmac: base64(Buffer.alloc(32)) }) }],
    ["another cipher", { [optionsAnnotation]: base64({ cipher: "NONE", hmac: base64(Buffer.alloc(32)) }) }],
    ["a short HMAC", { [optionsAnnotation]: base64({ cipher: "AES_256_CTR_HMAC_SHA256", hmac: "AAAA" }) }],
    ["options that are no base64", { [optionsAnnotation]: "{}" }],
  ])("%s", async (_name, annotations) => {
    const { layer, privateOptions } = encryptLayer(buildLayer([{ name: "secret" }]), kid);
    await using fixture = await startPullFixture({ decrypt: createLayerDecryptor(async () => privateOptions) });
    const failure = fixture.pull(fixture.registry.push("a", "v1", buildImage([{ ...layer, annotations }])));
    await expect(failure).rejects.toThrow(expect.objectContaining({ kind: "decryption" }));
  });
});
