import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { silentLog } from "../../guest/core/log.ts";
import { attest, createKbsClient, encodeAgentToken, encodeTeeKeyPem, passport } from "../../guest/kbs/index.ts";
import { type Faults, nothingForSample, onlyInitData } from "./embedded/embedded-kbs.ts";
import { createWorld, forever } from "./world.ts";

const key1 = { plugin: "resource", path: "default/key/1", query: "" };
const resources = { "default/key/1": "s3cret" };

describe("sessions", () => {
  test("many resources are served on one handshake", async () => {
    const { client, count } = await createWorld({ resources });
    for (let i = 0; i < 5; i += 1) await client.getResource(key1, forever);
    expect([count("auth"), count("attest"), count("resource")]).toEqual([1, 1, 5]);
  });

  test("callers who come at once share the handshake", async () => {
    const { client, count } = await createWorld({ resources });
    await Promise.all(Array.from({ length: 50 }, () => client.getResource(key1, forever)));
    expect([count("auth"), count("attest"), count("resource")]).toEqual([1, 1, 50]);
  });

  test("threat 98: a token is renewed shortly before it ends, and not earlier", async () => {
    const { client, timing, count } = await createWorld({ resources, tokenSeconds: 300 });
    await client.getResource(key1, forever);
    timing.nowMs += 269_000;
    await client.getResource(key1, forever);
    expect(count("auth")).toBe(1);
    timing.nowMs += 2_000;
    await client.getResource(key1, forever);
    expect(count("auth")).toBe(2);
  });

  test("threat 93: a wall clock that is turned back does not prolong a token", async () => {
    const { client, timing, count } = await createWorld({ resources, tokenSeconds: 300 });
    await client.getResource(key1, forever);
    timing.wallSeconds -= 1_000_000;
    timing.nowMs += 301_000;
    await client.getResource(key1, forever);
    expect(count("auth")).toBe(2);
  });

  test("a broker that has restarted is attested to again", async () => {
    const { client, kbs, count } = await createWorld({ resources });
    await client.getResource(key1, forever);
    kbs.forgetSessions();
    expect(Buffer.from(await client.getResource(key1, forever)).toString()).toBe("s3cret");
    expect([count("auth"), count("resource")]).toEqual([2, 3]);
  });

  test("a caller who leaves does not take the handshake from the others", async () => {
    const { client, count } = await createWorld({ resources });
    const leaving = new AbortController();
    const left = client.getResource(key1, leaving.signal);
    const stays = client.getResource(key1, forever);
    leaving.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    await stays;
    expect(count("auth")).toBe(1);
  });

  test("a handshake that failed is not remembered", async () => {
    const forced = { auth: [{ status: 404 }] };
    const { client } = await createWorld({ resources, faults: { forced } });
    await expect(client.getResource(key1, forever)).rejects.toMatchObject({ failure: "server" });
    await client.getResource(key1, forever);
  });

  test("passport: the agent's token is shown as bearer and its key opens the answer", async () => {
    const { handshake, kbs, timing } = await createWorld({ resources });
    const openSession = passport(async (signal) => {
      const { token, key } = await attest({ ...handshake, keyAlgorithm: "RSA-OAEP-256" }, signal);
      return encodeAgentToken(token, encodeTeeKeyPem(key));
    });
    const { transport } = handshake;
    const client = createKbsClient({ transport, openSession, timing, log: silentLog, lifetime: forever });
    expect(Buffer.from(await client.getResource(key1, forever)).toString()).toBe("s3cret");
    expect(kbs.requests.at(-1)?.headers.authorization).toMatch(/^Bearer ey/);
    expect(kbs.requests.at(-1)?.headers.cookie).toBeUndefined();
  });

  test.each(["{", '{"token":"a.b.c"}', '{"token":"a.b.c","tee_keypair":"nonsense"}', "[]"])(
    "an agent's token that is %s gives an error without a trace of it",
    async (text) => {
      const { handshake, timing } = await createWorld();
      const openSession = passport(async () => Buffer.from(text));
      const { transport } = handshake;
      const client = createKbsClient({ transport, openSession, timing, log: silentLog, lifetime: forever });
      const error = await client.getResource(key1, forever).catch((thrown: Error) => thrown);
      expect(String(error)).toMatch(/KbsError: the attestation agent's/);
      expect(String(error)).not.toContain("nonsense");
    },
  );
});

describe("refusals", () => {
  test("a missing resource costs one attestation and says what it knows", async () => {
    const { client, count } = await createWorld();
    await expect(client.getResource(key1, forever)).rejects.toThrow(
      "the key broker refused resource default/key/1: Plugin internal error",
    );
    expect([count("auth"), count("resource")]).toEqual([1, 1]);
  });

  test("K6: what the broker's policy denies is an error at once, not a hang", async () => {
    const { client } = await createWorld({ resources, policy: nothingForSample });
    await expect(client.getResource(key1, forever)).rejects.toMatchObject({
      failure: "denied",
      message: "the key broker refused resource default/key/1: Access denied by policy",
    });
  });

  test("I8: a denial of an older session is asked once more after attesting anew", async () => {
    let allowed = false;
    const { client, timing, count } = await createWorld({ resources, policy: () => allowed });
    await expect(client.getResource(key1, forever)).rejects.toMatchObject({ failure: "denied" });
    await expect(client.getResource(key1, forever)).rejects.toMatchObject({ failure: "denied" });
    expect(count("auth")).toBe(1);
    allowed = true;
    timing.nowMs += 31_000;
    await client.getResource(key1, forever);
    allowed = false;
    timing.nowMs += 31_000;
    await expect(client.getResource(key1, forever)).rejects.toMatchObject({ failure: "denied" });
    expect(count("auth")).toBe(2);
  });

  test("threat 96: a guest with other initdata doesn't get what belongs to one initdata", async () => {
    const owner = 'algorithm = "sha256"\nversion = "0.1.0"\n[data]\n';
    const policy = onlyInitData("m9qZ5cE2rWC0m9lM0J4V1mvU0Yv0k1p3C0n6t1q7nKU=");
    const stranger = await createWorld({ resources, policy }, { initData: owner });
    await expect(stranger.client.getResource(key1, forever)).rejects.toMatchObject({ failure: "denied" });
    const digest = createHash("sha256").update(owner).digest("base64");
    const rightful = await createWorld({ resources, policy: onlyInitData(digest) }, { initData: owner });
    await rightful.client.getResource(key1, forever);
    const without = await createWorld({ resources, policy: onlyInitData(digest) });
    await expect(without.client.getResource(key1, forever)).rejects.toMatchObject({ failure: "denied" });
  });

  test("401 without end is given up after three tokens", async () => {
    const forced = { resource: Array.from({ length: 9 }, () => ({ status: 401, body: "{}" })) };
    const { client, count } = await createWorld({ resources, faults: { forced } });
    await expect(client.getResource(key1, forever)).rejects.toMatchObject({ failure: "unauthorized" });
    expect([count("auth"), count("resource")]).toEqual([3, 3]);
  });

  test("503 is tried again, 500 is not", async () => {
    const { client, count } = await createWorld({ resources, faults: { forced: { resource: [{ status: 503 }] } } });
    await client.getResource(key1, forever);
    expect(count("resource")).toBe(2);
    const broken = await createWorld({ resources, faults: { forced: { resource: [{ status: 500 }] } } });
    await expect(broken.client.getResource(key1, forever)).rejects.toMatchObject({ failure: "server" });
  });

  test("an unknown plug-in is not found", async () => {
    const { client } = await createWorld();
    const uri = { plugin: "pkcs11", path: "a", query: "" };
    await expect(client.getResource(uri, forever)).rejects.toMatchObject({ failure: "not-found" });
  });
});

describe("threat 97 and 104: JWE", () => {
  const flip = (text: string): string => (text.startsWith("A") ? `B${text.slice(1)}` : `A${text.slice(1)}`);
  const header = (value: object) => ({ protected: Buffer.from(JSON.stringify(value)).toString("base64url") });
  const uniform = "the key broker's answer can't be decrypted with this VM's key";
  const faultsOf = (tamper: Faults["tamper"]): Faults => (tamper === undefined ? {} : { tamper });

  test.each<[string, Faults]>([
    ["another key", { otherKey: true }],
    ["a changed tag", faultsOf((jwe) => ({ ...jwe, tag: flip(jwe["tag"] ?? "") }))],
    ["changed ciphertext", faultsOf((jwe) => ({ ...jwe, ciphertext: flip(jwe["ciphertext"] ?? "") }))],
    ["a changed wrapped key", faultsOf((jwe) => ({ ...jwe, encrypted_key: flip(jwe["encrypted_key"] ?? "") }))],
    ["alg none", faultsOf((jwe) => ({ ...jwe, ...header({ alg: "none", enc: "A256GCM" }) }))],
    ["alg dir", faultsOf((jwe) => ({ ...jwe, ...header({ alg: "dir", enc: "A256GCM" }), encrypted_key: "" }))],
    ["alg RSA1_5", faultsOf((jwe) => ({ ...jwe, ...header({ alg: "RSA1_5", enc: "A256GCM" }) }))],
    ["enc A128CBC", faultsOf((jwe) => ({ ...jwe, ...header({ alg: "ECDH-ES+A256KW", enc: "A128CBC-HS256" }) }))],
    ["no epk", faultsOf((jwe) => ({ ...jwe, ...header({ alg: "ECDH-ES+A256KW", enc: "A256GCM" }) }))],
    ["compression", faultsOf((jwe) => ({ ...jwe, ...header({ alg: "ECDH-ES+A256KW", enc: "A256GCM", zip: "DEF" }) }))],
    ["a short iv", faultsOf((jwe) => ({ ...jwe, iv: "AAAA" }))],
  ])("%s gives the one error", async (_what, faults) => {
    const { client } = await createWorld({ resources, faults });
    await expect(client.getResource(key1, forever)).rejects.toMatchObject({ failure: "decryption", message: uniform });
  });

  test.each(["protected", "encrypted_key", "iv", "ciphertext", "tag"])(
    "a JWE without %s is refused",
    async (member) => {
      const tamper = (jwe: Record<string, string>) => {
        const { [member]: _, ...rest } = jwe;
        return rest;
      };
      const { client } = await createWorld({ resources, faults: { tamper } });
      await expect(client.getResource(key1, forever)).rejects.toMatchObject({ failure: "malformed" });
    },
  );

  test("an empty secret and one of a mebibyte both arrive", async () => {
    const big = Buffer.alloc(1024 * 1024, 7);
    const { client } = await createWorld({ resources: { "a/b/empty": "", "a/b/big": big } });
    const get = (path: string) => client.getResource({ plugin: "resource", path, query: "" }, forever);
    expect(await get("a/b/empty")).toHaveLength(0);
    expect(Buffer.from(await get("a/b/big")).equals(big)).toBe(true);
  });
});
