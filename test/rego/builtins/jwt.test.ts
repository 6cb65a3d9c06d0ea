import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, test } from "vitest";
import { compilePolicy } from "../../../guest/rego/index.ts";
import type { JsonInput, Value } from "../../../guest/rego/value.ts";
import { call, value } from "./call.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const ed25519 = generateKeyPairSync("ed25519");
const secret = value({ kty: "oct", k: Buffer.from("a secret").toString("base64url") });

// A JWK has text members only.
const jwk = (key: KeyObject): Value => value(key.export({ format: "jwk" }) as JsonInput);
const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();

function signed(algorithm: string, key: Value, payload: JsonInput = { sub: "x" }): string {
  return String(call("io.jwt.encode_sign", value({ alg: algorithm, typ: "JWT" }), value(payload), key));
}

function verifies(token: string, constraints: JsonInput): unknown {
  const result = call("io.jwt.decode_verify", token, value(constraints));
  return Array.isArray(result) ? result[0] : result;
}

test.each([
  ["RS256", rsa],
  ["PS384", rsa],
  ["ES256", p256],
  ["ES384", p384],
  ["EdDSA", ed25519],
])("%s: what is signed verifies, with the right key and nothing changed", (algorithm, keys) => {
  const token = signed(algorithm, jwk(keys.privateKey));
  const verify = `io.jwt.verify_${algorithm.toLowerCase()}`;
  expect(call(verify, token, pem(keys.publicKey))).toBe(true);
  expect(call(verify, token, JSON.stringify({ keys: [keys.publicKey.export({ format: "jwk" })] }))).toBe(true);
  const [header = "", , signature = ""] = token.split(".");
  const forged = `${header}.${Buffer.from('{"sub":"y"}').toString("base64url")}.${signature}`;
  expect(call(verify, forged, pem(keys.publicKey))).toBe(false);
  expect(verifies(token, { cert: pem(keys.publicKey) })).toBe(true);
});

describe("confusion of algorithms", () => {
  test("a public key is no secret: a token signed with its text does not verify", () => {
    const key = value({ kty: "oct", k: Buffer.from(pem(rsa.publicKey)).toString("base64url") });
    const token = signed("HS256", key);
    expect(verifies(token, { cert: pem(rsa.publicKey) })).toBe(false);
    expect(call("io.jwt.verify_rs256", token, pem(rsa.publicKey))).toBe(false);
  });

  test("none is not an algorithm", () => {
    const part = (text: string) => Buffer.from(text).toString("base64url");
    expect(verifies(`${part('{"alg":"none"}')}.${part("{}")}.`, { secret: "a secret" })).toBe(false);
  });

  test("a key for one curve or algorithm is not for another", () => {
    const token = signed("ES256", jwk(p256.privateKey));
    expect(call("io.jwt.verify_es384", token, pem(p256.publicKey))).toBe(false);
    expect(verifies(token, { cert: pem(p256.publicKey), alg: "ES384" })).toBe(false);
    expect(() => signed("RS256", jwk(p256.privateKey))).toThrow("key is not for RS256");
  });
});

describe("claims", () => {
  const check = (payload: JsonInput, constraints: { [key: string]: JsonInput } = {}) =>
    verifies(signed("HS256", secret, payload), { secret: "a secret", ...constraints });

  test("hold or not", () => {
    expect(check({ exp: 2_000_000_000 })).toBe(true);
    expect(check({ exp: 1_600_000_000 })).toBe(false);
    expect(check({ nbf: 1_800_000_000 })).toBe(false);
    expect(check({ nbf: 10.5 }, { time: 10_500_000_000 })).toBe(true);
    expect(check({ iss: "a" }, { iss: "b" })).toBe(false);
    expect(check({}, { iss: "b" })).toBe(false);
    expect(check({ aud: ["a", "b"] }, { aud: "b" })).toBe(true);
    expect(check({ aud: "a" })).toBe(false);
  });

  test("where there is no clock, a token with a time limit holds only at the time that the policy names", () => {
    const policy = compilePolicy([
      {
        name: "t",
        text: `package t
p := io.jwt.decode_verify(input.token, {"secret": "a secret"})[0]
q := io.jwt.decode_verify(input.token, {"secret": "a secret", "time": 1500000000000000000})[0]`,
      },
    ]);
    const ask = (path: string, payload: JsonInput) =>
      policy.evaluate({ path, input: { token: signed("HS256", secret, payload) } });
    expect(ask("data.t.p", {})).toEqual({ kind: "value", value: true });
    expect(ask("data.t.p", { exp: 1_600_000_000 })).toEqual({ kind: "value", value: false });
    expect(ask("data.t.p", { nbf: 0 })).toEqual({ kind: "value", value: false });
    expect(ask("data.t.q", { exp: 1_600_000_000 })).toEqual({ kind: "value", value: true });
    expect(ask("data.t.q", { exp: 1_400_000_000 })).toEqual({ kind: "value", value: false });
  });

  test("what is no claim or no constraint is an error", () => {
    expect(() => check({ exp: "soon" })).toThrow("exp value must be a number");
    expect(() => check({}, { isss: "b" })).toThrow("unknown token validation constraint");
    expect(() => verifies(signed("HS256", secret), {})).toThrow("no key constraint");
  });
});

test("critical headers are not understood, so the token is refused", () => {
  const header = value({ alg: "HS256", typ: "JWT", crit: ["b64"] });
  const token = String(call("io.jwt.encode_sign", header, value({}), secret));
  expect(verifies(token, { secret: "a secret" })).toBe(false);
});

test.each(["", "a.b", "a.b.c.d", "!.e30.", "e30.e30.?"])("%j is no token", (text) => {
  expect(() => call("io.jwt.decode", text)).toThrow("io.jwt.decode");
});
