import { createCipheriv, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { unsealEnvironment } from "../../guest/agent/sealed-environment.ts";
import { silentLog } from "../../guest/core/log.ts";
import { parseWrappedLayerKey, unwrapLayerKey } from "../../guest/hub/data-hub/key-provider.ts";
import { createSecureMounts } from "../../guest/hub/index.ts";
import { unseal } from "../../guest/hub/sealed-secret/unseal.ts";
import type { ResourceProvider } from "../../guest/kbs/index.ts";
import { createLayerDecryptor } from "../../guest/oci/encryption/layer-decryptor.ts";
import { temporaryFolder } from "./secure-mount/luks-fixture.ts";

const { signal } = new AbortController();
const iv = randomBytes(12);

function wrap(key: Uint8Array, text: string): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** A broker that hands out one buffer, which the test keeps hold of. */
const providerOf = (key: Uint8Array): ResourceProvider => ({ getResource: async () => key });
const noKey: ResourceProvider = {
  getResource: () => {
    throw new Error("nothing is to be fetched here");
  },
};
const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

describe("threat 137: bytes of keys don't stay in memory", () => {
  const packetFor = (wrapped: Buffer) =>
    parseWrappedLayerKey(
      Buffer.from(
        JSON.stringify({
          kid: "kbs:///default/key/1",
          wrapped_data: wrapped.toString("base64"),
          iv: iv.toString("base64"),
          wrap_type: "A256GCM",
        }),
      ),
    );

  test("the key that unwraps a layer's is zero when it has done so, and when it could not", async () => {
    const key = randomBytes(32);
    const packet = packetFor(wrap(key, "layer key"));
    expect(Buffer.from(await unwrapLayerKey(packet, providerOf(key), signal)).toString()).toBe("layer key");
    expect(isZero(key)).toBe(true);
    const other = randomBytes(32);
    await expect(unwrapLayerKey(packet, providerOf(other), signal)).rejects.toThrow("can't be decrypted");
    expect(isZero(other)).toBe(true);
  });

  test("so is the key of an envelope, whether it opens or not", async () => {
    for (const good of [true, false]) {
      const key = randomBytes(32);
      const data = wrap(good ? key : randomBytes(32), "plaintext");
      const envelope = {
        version: "0.1.0",
        type: "envelope",
        provider: "test",
        key_id: "k",
        encrypted_key: "AAAA",
        encrypted_data: data.toString("base64"),
        wrap_type: "A256GCM",
        iv: iv.toString("base64"),
        provider_settings: {},
        annotations: {},
      };
      const payload = Buffer.from(JSON.stringify(envelope)).toString("base64url");
      const keyServices = new Map([["test", { decrypt: async () => key }]]);
      const options = { resources: noKey, keyServices, skipVerification: true };
      const opened = unseal(Buffer.from(`sealed.fake.${payload}.fake`), options, signal);
      if (good) expect(Buffer.from(await opened).toString()).toBe("plaintext");
      else await expect(opened).rejects.toThrow("can't be decrypted");
      expect(isZero(key), String(good)).toBe(true);
    }
  });

  test("so are the options that hold a layer's key", async () => {
    const symkey = randomBytes(32).toString("base64");
    const options = Buffer.from(
      JSON.stringify({ symkey, cipheroptions: { nonce: Buffer.alloc(16).toString("base64") } }),
    );
    const decryptor = createLayerDecryptor(async () => options);
    const annotations = new Map([
      ["org.opencontainers.image.enc.keys.provider.attestation-agent", Buffer.from("{}").toString("base64")],
      [
        "org.opencontainers.image.enc.pubopts",
        Buffer.from(
          JSON.stringify({
            cipher: "AES_256_CTR_HMAC_SHA256",
            hmac: Buffer.alloc(32).toString("base64"),
            cipheroptions: {},
          }),
        ).toString("base64"),
      ],
    ]);
    const layer = {
      mediaType: "application/vnd.oci.image.layer.v1.tar+encrypted",
      digest: `sha256:${"0".repeat(64)}`,
      size: 1,
      annotations,
    } as const;
    await decryptor(layer, signal);
    expect(isZero(options)).toBe(true);
  });

  test("so is the key of a volume, whether it is tried or too long", async () => {
    for (const [key, problem] of [
      [randomBytes(32), "no LUKS header"],
      [randomBytes(8 * 1024 * 1024 + 1), "too long"],
    ] as const) {
      using folder = temporaryFolder();
      const device = join(folder.path, "device");
      writeFileSync(device, Buffer.alloc(4096));
      const mounts = createSecureMounts({
        tools: {
          run: async () => Buffer.alloc(0),
          writeZeros: () => {},
          mountExt4: () => {},
          findDevice: () => ({ path: device, number: { major: 8, minor: 16 } }),
          isInUse: () => false,
          readEnds: () => {},
        },
        headerDirectory: join(folder.path, "headers"),
        mountRoots: [folder.path],
        keys: { resources: providerOf(key), keyServices: new Map(), skipVerification: false },
        log: silentLog,
      });
      const options = {
        devicePath: "/dev/sdc",
        sourceType: "encrypted",
        targetType: "fileSystem",
        encryptionType: "luks2",
        key: "kbs:///default/volume-key/data",
      };
      const request = { type: "block-device", options, mountPoint: join(folder.path, "data") };
      await expect(mounts.mount(request, signal)).rejects.toThrow(problem);
      expect(isZero(key)).toBe(true);
    }
  });

  test("so is an unsealed variable, once it is a text", async () => {
    const plaintexts = [Buffer.from("secret"), Buffer.from("with\0zero"), Buffer.from([0xff, 0xfe])];
    for (const plaintext of plaintexts) {
      const unsealer = { unsealSecret: async () => plaintext };
      await unsealEnvironment(["A=sealed.x"], unsealer, { strict: false, log: silentLog, signal });
      expect(isZero(plaintext)).toBe(true);
    }
  });
});
