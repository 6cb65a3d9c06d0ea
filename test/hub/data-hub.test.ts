import { createCipheriv } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sampleAttester } from "../../guest/attest/sample/attester.ts";
import { GuestError } from "../../guest/core/errors.ts";
import type { MeasuredEvent } from "../../guest/hub/index.ts";
import {
  GetResourceService,
  ImagePullService,
  SecureMountService,
} from "../../guest/rpc/messages/confidential-data-hub.ts";
import { KeyProviderService } from "../../guest/rpc/messages/keyprovider.ts";
import type { RpcClient } from "../../guest/rpc/method.ts";
import { nothingForSample } from "../kbs/embedded/embedded-kbs.ts";
import { startServices } from "./services.ts";

const { GetResource } = GetResourceService.methods;
const { PullImage } = ImagePullService.methods;
const resources = { "default/key/1": "s3cret" };
const get = async (dataHub: RpcClient, ResourcePath: string): Promise<string> =>
  Buffer.from((await dataHub.call(GetResource, { ResourcePath })).Resource).toString();

describe("GetResource", () => {
  test("K1: a secret comes from the key broker after attestation, and one token serves many", async () => {
    const { dataHub, kbs } = await startServices({ kbs: { resources } });
    const all = await Promise.all(Array.from({ length: 50 }, () => get(dataHub, "kbs:///default/key/1")));
    expect(new Set(all)).toEqual(new Set(["s3cret"]));
    expect(kbs.requests.filter(({ path }) => path.endsWith("/auth"))).toHaveLength(1);
    expect(await get(dataHub, "kbs:///default/key/1")).toBe("s3cret");
    expect(kbs.requests.filter(({ path }) => path.endsWith("/attest"))).toHaveLength(1);
  });

  test.each([
    ["a missing resource", "kbs:///default/key/2", {}],
    ["a URI that is none", "default/key/1", {}],
    ["threat 125: a path with dots", "kbs:///default/../1", {}],
    ["K6: the broker's policy", "kbs:///default/key/1", { policy: nothingForSample }],
  ])("%s fails with the reference's text", async (_what, uri, kbs) => {
    const { dataHub } = await startServices({ kbs: { resources, ...kbs } });
    await expect(get(dataHub, uri)).rejects.toMatchObject({
      code: "internal",
      peerMessage: "[CDH] [ERROR]: Get Resource failed",
    });
  });
});

describe("PullImage", () => {
  const digest = `sha256:${"ab".repeat(32)}`;

  test("delegates, answers the digest and records the event", async () => {
    const pulled: string[] = [];
    const recorded: MeasuredEvent[] = [];
    const registers = {
      hash: "sha256",
      logIndexOf: Number,
      extend: async () => {},
      read: async () => Buffer.alloc(32),
    } as const;
    const { dataHub } = await startServices({
      agentConfig: "[eventlog_config]\nenable_eventlog = true\n",
      agentParts: {
        attester: { ...sampleAttester, registers },
        events: { record: async (event) => void recorded.push(event) },
      },
      hubParts: {
        images: {
          pullImage: async (reference, bundlePath) => {
            pulled.push(`${reference} ${bundlePath}`);
            return { manifestDigest: digest };
          },
        },
      },
    });
    const request = { image_url: "registry.example/app:1", bundle_path: "/run/kata-containers/c1/images" };
    expect((await dataHub.call(PullImage, request)).manifest_digest).toBe(digest);
    expect(pulled).toEqual(["registry.example/app:1 /run/kata-containers/c1/images"]);
    expect(recorded).toEqual([
      {
        domain: "github.com/confidential-containers",
        operation: "PullImage",
        content: `{"digest":"${digest}","image":"registry.example/app:1"}`,
        pcr: undefined,
      },
    ]);
  });

  test("no event log is no reason to fail, a broken one is", async () => {
    const images = { pullImage: async () => ({ manifestDigest: digest }) };
    const off = await startServices({ hubParts: { images } });
    expect((await off.dataHub.call(PullImage, { image_url: "a", bundle_path: "/b" })).manifest_digest).toBe(digest);
    const recordEvent = () => Promise.reject(new GuestError("internal", "extend failed"));
    const attestationAgent = { getKbsToken: async () => new Uint8Array(0), recordEvent };
    const broken = await startServices({ hubParts: { images, attestationAgent } });
    await expect(broken.dataHub.call(PullImage, { image_url: "a", bundle_path: "/b" })).rejects.toMatchObject({
      peerMessage: "[CDH] [ERROR]: Attestation Agent client error: extend failed",
    });
  });

  test("the reason of a failed pull is shown, as in the reference", async () => {
    const images = { pullImage: () => Promise.reject(new GuestError("not-found", "manifest unknown")) };
    const { dataHub } = await startServices({ hubParts: { images } });
    await expect(dataHub.call(PullImage, { image_url: "a", bundle_path: "/b" })).rejects.toMatchObject({
      code: "internal",
      peerMessage: "[CDH] [ERROR]: Image Pull error: manifest unknown",
    });
  });
});

test("SecureMount without a driver fails and mounts nothing", async () => {
  const { dataHub } = await startServices();
  await expect(
    dataHub.call(SecureMountService.methods.SecureMount, { volume_type: "block-device", mount_point: "/mnt" }),
  ).rejects.toMatchObject({ code: "internal", peerMessage: "[CDH] [ERROR]: Secure Mount failed" });
});

describe("key provider", () => {
  const { UnWrapKey, WrapKey } = KeyProviderService.methods;
  const key = Buffer.alloc(32, 9);
  const wrap = (plaintext: string): Record<string, string> => {
    const iv = Buffer.alloc(12, 1);
    const cipher = createCipheriv("aes-256-gcm", key, iv);
    const wrapped = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    const kid = "kbs://attacker.example/default/image-key/demo";
    return { kid, wrapped_data: wrapped.toString("base64"), iv: iv.toString("base64"), wrap_type: "A256GCM" };
  };
  const requestOf = (packet: object): Uint8Array => {
    const annotation = Buffer.from(JSON.stringify(packet)).toString("base64");
    return Buffer.from(
      JSON.stringify({ op: "keyunwrap", keywrapparams: {}, keyunwrapparams: { dc: null, annotation } }),
    );
  };
  const start = () => startServices({ kbs: { resources: { "default/image-key/demo": key } } });

  test("a layer's key is unwrapped by a key of the configured broker, whatever host it names", async () => {
    const { dataHub } = await start();
    const input = { KeyProviderKeyWrapProtocolInput: requestOf(wrap('{"symkey":"AA=="}')) };
    const reply = await dataHub.call(UnWrapKey, input);
    const { keyunwrapresults } = JSON.parse(Buffer.from(reply.KeyProviderKeyWrapProtocolOutput).toString());
    expect(Buffer.from(keyunwrapresults.optsdata).toString()).toBe('{"symkey":"AA=="}');
  });

  test("threat 104: a wrong key and changed data give one text, garbage another", async () => {
    const { dataHub, kbs } = await start();
    const call = (input: Uint8Array) => dataHub.call(UnWrapKey, { KeyProviderKeyWrapProtocolInput: input });
    const failed = { code: "internal", peerMessage: "[CDH] [ERROR]: Decrypt Image (UnwrapKey) failed" };
    const packet = wrap("x");
    await expect(call(requestOf({ ...packet, iv: Buffer.alloc(12, 2).toString("base64") }))).rejects.toMatchObject(
      failed,
    );
    await expect(call(requestOf({ ...packet, wrapped_data: "AAAA" }))).rejects.toMatchObject(failed);
    kbs.resources.set("default/image-key/demo", Buffer.alloc(32, 8));
    await expect(call(requestOf(packet))).rejects.toMatchObject(failed);
    const unparsable = { code: "internal", peerMessage: "[ERROR] UnwrapKey Parse request failed" };
    for (const input of ["", "{}", "[]", '{"keywrapparams":{},"keyunwrapparams":{"annotation":"%"}}']) {
      await expect(call(Buffer.from(input))).rejects.toMatchObject(unparsable);
    }
    await expect(call(requestOf({ ...packet, wrap_type: "AES256GCM" }))).rejects.toMatchObject(unparsable);
  });

  test("wrapping is not done here", async () => {
    const { dataHub } = await start();
    await expect(dataHub.call(WrapKey, {})).rejects.toMatchObject({ code: "unimplemented" });
  });
});
