import { describe, expect, test } from "vitest";
import { attest } from "../../guest/kbs/index.ts";
import { generateTeeKey } from "../../guest/kbs/tee-key.ts";
import { parseTokenTimes } from "../../guest/kbs/token.ts";
import type { KbsOptions } from "./embedded/embedded-kbs.ts";
import { createWorld, forever, sampleEvidence } from "./world.ts";

describe("handshake", () => {
  test.each(["ECDH-ES+A256KW-P256", "ECDH-ES+A256KW-P521", "RSA-OAEP-256"] as const)(
    "a key of kind %s is bound, accepted and opens a resource",
    async (keyAlgorithm) => {
      const { client, count } = await createWorld({ resources: { "default/key/1": "s3cret" } }, { keyAlgorithm });
      const resource = await client.getResource({ plugin: "resource", path: "default/key/1", query: "" }, forever);
      expect(Buffer.from(resource).toString()).toBe("s3cret");
      expect([count("auth"), count("attest"), count("resource")]).toEqual([1, 1, 1]);
    },
  );

  test.each(["sha256", "sha384", "sha512"] as const)("the broker selects %s", async (hash) => {
    const { handshake } = await createWorld({ hash });
    expect(parseTokenTimes((await attest(handshake, forever)).token).expiresAt).toBeGreaterThan(0);
  });

  test("messages have the exact members of the protocol", async () => {
    const { kbs, handshake } = await createWorld();
    await attest(handshake, forever);
    const [auth, attestation] = kbs.requests;
    expect(JSON.parse(auth?.body ?? "")).toEqual({
      version: "0.4.0",
      tee: "sample",
      "extra-params": { "supported-hash-algorithms": ["sha256", "sha384", "sha512", "sm3"] },
    });
    expect(auth?.headers["content-type"]).toBe("application/json");
    expect(attestation?.headers.cookie).toMatch(/^kbs-session-id=[0-9a-f]{32}$/);
    expect(JSON.parse(attestation?.body ?? "")).toEqual({
      "init-data": null,
      "runtime-data": {
        nonce: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
        "tee-pubkey": { kty: "EC", crv: "P-256", alg: "ECDH-ES+A256KW", x: expect.any(String), y: expect.any(String) },
      },
      "tee-evidence": { primary_evidence: { svn: "1", report_data: expect.any(String) }, additional_evidence: "" },
    });
  });

  test("initdata goes along as one TOML text, and its digest becomes a claim", async () => {
    const initData = 'version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\n';
    const { kbs, handshake } = await createWorld({}, { initData });
    const { token } = await attest(handshake, forever);
    expect(JSON.parse(kbs.requests[1]?.body ?? "")["init-data"]).toEqual({ format: "toml", body: initData });
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    expect(claims.submods.cpu0["ear.veraison.annotated-evidence"].init_data).toMatch(/=$/);
  });

  test("evidence of devices is bound apart from the TEE's own and hashed into it", async () => {
    const evidence = {
      ...sampleEvidence,
      getAdditionalEvidence: async (data: Uint8Array) =>
        JSON.stringify({ sampledevice: { svn: "2", report_data: Buffer.from(data).toString("base64") } }),
    };
    const { handshake } = await createWorld({}, { evidence });
    const { token } = await attest(handshake, forever);
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    expect(Object.keys(claims.submods)).toEqual(["cpu0", "gpu0"]);
  });

  test("evidence whose JSON has 64-bit numbers reaches the broker unchanged", async () => {
    const exact = (evidence: unknown): Record<string, unknown> => ({ snp: typeof evidence });
    const evidence = { ...sampleEvidence, tee: "snp", getEvidence: async () => '{"policy":18446744073709551615}' };
    const { kbs, handshake } = await createWorld({ verifiers: { snp: exact } }, { evidence });
    await attest(handshake, forever);
    expect(kbs.requests[1]?.body).toContain('"primary_evidence":{"policy":18446744073709551615}');
  });

  test("all cookies of a load balancer come back, attributes don't", async () => {
    const { kbs, handshake } = await createWorld();
    const send = handshake.transport.send;
    const transport = {
      send: async (request: Parameters<typeof send>[0]) => {
        const response = await send(request);
        const cookies = `${response.headers.get("set-cookie")}, route=a1; Path=/; HttpOnly`;
        return { ...response, headers: new Map([["set-cookie", cookies]]) };
      },
      close: () => {},
    };
    await attest({ ...handshake, transport }, forever);
    expect(kbs.requests[1]?.headers.cookie).toMatch(/^kbs-session-id=[0-9a-f]{32}; route=a1$/);
  });
});

describe("handshake against a broker that fails", () => {
  const failing = async (faults: KbsOptions["faults"]) => createWorld(faults === undefined ? {} : { faults });

  test("threat 95: a challenge with another nonce than the session's is refused by the broker, with a clear error", async () => {
    const { handshake, count } = await failing({ otherNonce: true });
    await expect(attest(handshake, forever)).rejects.toThrow(
      /refused the attestation: .*Attest failed \(tried 5 times\)/,
    );
    expect([count("auth"), count("attest")]).toEqual([5, 5]);
  });

  test("threat 95: evidence that binds another key is refused", async () => {
    const other = await generateTeeKey("ECDH-ES+A256KW-P256");
    const { handshake } = await createWorld();
    const send = handshake.transport.send;
    const transport = {
      send: (request: Parameters<typeof send>[0]) => {
        const message = request.body === undefined ? {} : JSON.parse(request.body);
        if (!("runtime-data" in message)) return send(request);
        message["runtime-data"]["tee-pubkey"] = other.publicKey;
        return send({ ...request, body: JSON.stringify(message) });
      },
      close: () => {},
    };
    await expect(attest({ ...handshake, transport }, forever)).rejects.toMatchObject({ failure: "unauthorized" });
  });

  test("a version that the broker doesn't speak ends at once and says why", async () => {
    const detail = "KBS Client Protocol Version Mismatch: expect =0.5.0 while the request is 0.4.0";
    const { handshake, count } = await failing({
      forced: { auth: [{ status: 401, body: JSON.stringify({ detail }) }] },
    });
    await expect(attest(handshake, forever)).rejects.toThrow(`the key broker refused the request: ${detail}`);
    expect(count("auth")).toBe(1);
  });

  test("500 is tried again, with pauses that grow", async () => {
    const down = { status: 500, body: "<html>oops</html>" };
    const { handshake, timing, count } = await failing({ forced: { auth: [down, down, down] } });
    await attest(handshake, forever);
    expect(count("auth")).toBe(4);
    expect(timing.pauses).toEqual([750, 1500, 3000]);
  });

  test("a broker that is down is tried five times, not more", async () => {
    const { handshake, timing, count } = await failing({
      forced: { auth: Array.from({ length: 9 }, () => ({ status: 0, reset: true })) },
    });
    await expect(attest(handshake, forever)).rejects.toMatchObject({ failure: "unreachable", code: "unavailable" });
    expect(count("auth")).toBe(5);
    expect(timing.pauses).toHaveLength(4);
  });

  test("a broker that answers nothing is left when the caller's time is up", async () => {
    const { handshake } = await failing({ forced: { auth: [{ status: 0, hang: true }] } });
    await expect(attest(handshake, AbortSignal.timeout(50))).rejects.toMatchObject({ failure: "timeout" });
  });

  test.each([
    ["no JSON", "hello", /challenge is not acceptable JSON/],
    ["no object", "[]", /challenge is no JSON object/],
    ["no nonce", "{}", /no usable nonce/],
    ["an empty nonce", '{"nonce":""}', /no usable nonce/],
    ["half a surrogate pair", '{"nonce":"\\ud800"}', /not acceptable JSON/],
    ["two nonces", '{"nonce":"a","nonce":"b"}', /not acceptable JSON/],
    ["a hash nobody knows", '{"nonce":"a","extra-params":{"selected-hash-algorithm":"md5"}}', /hash algorithm/],
    ["a hash of the wrong type", '{"nonce":"a","extra-params":{"selected-hash-algorithm":7}}', /hash algorithm/],
  ])("threat 136: a challenge with %s is refused", async (_what, body, message) => {
    const headers = { "content-type": "application/json", "set-cookie": "kbs-session-id=1" };
    const { handshake } = await failing({ forced: { auth: [{ status: 200, body, headers }] } });
    await expect(attest(handshake, forever)).rejects.toThrow(message);
  });

  test("a body that is too long is cut off", async () => {
    const { handshake } = await failing({ forced: { auth: [{ status: 200, body: "x".repeat(100_000) }] } });
    await expect(attest(handshake, forever)).rejects.toThrow(/no answer from the key broker/);
  });

  test("a broker that opens no session is refused", async () => {
    const reply = {
      status: 200,
      body: '{"nonce":"AAAA","extra-params":""}',
      headers: { "content-type": "application/json" },
    };
    const { handshake } = await failing({ forced: { auth: [reply] } });
    await expect(attest(handshake, forever)).rejects.toThrow(/opened no session/);
  });

  test("threat 97: an answer of another media type is refused", async () => {
    const reply = { status: 200, body: "{}", headers: { "content-type": "text/html" } };
    const { handshake } = await failing({ forced: { auth: [reply] } });
    await expect(attest(handshake, forever)).rejects.toThrow(/not application\/json/);
  });

  test("threat 94: a redirect is refused", async () => {
    const reply = { status: 307, headers: { location: "https://evil.example/kbs/v0/auth" } };
    const { handshake, count } = await failing({ forced: { auth: [reply] } });
    await expect(attest(handshake, forever)).rejects.toThrow(/redirects/);
    expect(count("auth")).toBe(1);
  });

  test("evidence that can't be made is no reason to try again", async () => {
    const evidence = { ...sampleEvidence, getEvidence: () => Promise.reject(new Error("no device")) };
    const { handshake, count } = await createWorld({}, { evidence });
    await expect(attest(handshake, forever)).rejects.toThrow("no evidence for the key broker: no device");
    expect(count("auth")).toBe(1);
  });
});
