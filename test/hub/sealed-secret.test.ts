import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type UnsealOptions, unseal } from "../../guest/hub/sealed-secret/unseal.ts";
import { KbsError, type ResourceProvider } from "../../guest/kbs/index.ts";
import { SealedSecretService } from "../../guest/rpc/messages/confidential-data-hub.ts";
import { startServices } from "./services.ts";

const forever = new AbortController().signal;
const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = JSON.stringify({ ...publicKey.export({ format: "jwk" }), alg: "ES256", use: "sig", kid: "any" });
const keyUri = "kbs:///default/sealed-secret-key/demo";
const vault = {
  version: "0.1.0",
  type: "vault",
  name: "kbs:///default/secret/db-password",
  provider: "kbs",
  provider_settings: {},
  annotations: {},
};

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function seal(payload: unknown, header: unknown = { alg: "ES256", kid: keyUri }, der = false): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: der ? "der" : "ieee-p1363" });
  return `sealed.${signed}.${signature.toString("base64url")}`;
}

/** A provider that serves from a table and remembers what was asked. */
function providerOf(table: Record<string, string>): ResourceProvider & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    getResource: async ({ path }) => {
      asked.push(path);
      const value = table[path];
      if (value === undefined) throw new KbsError("denied", "not there");
      return Buffer.from(value);
    },
  };
}

const stored = { "default/sealed-secret-key/demo": jwk, "default/secret/db-password": "pa55" };
const open = async (secret: string, options: Partial<UnsealOptions> = {}): Promise<string> => {
  const defaults = { resources: providerOf(stored), keyServices: new Map(), skipVerification: false };
  return Buffer.from(await unseal(Buffer.from(secret), { ...defaults, ...options }, forever)).toString();
};

describe("vault secrets", () => {
  test("the worked example: key, signature, secret", async () => {
    const resources = providerOf({
      ...stored,
      "default/sealed-secret-key/demo":
        '{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"demo","x":"CkMBCt7lRAKPNsZy5amfuoNxI_A8bMC26mee4IDSOpA","y":"O5wKCdRq7OVSecrdbFv1yc7CZuHWe3mXhQWJzmtKArA"}',
    });
    const secret =
      "sealed.eyJhbGciOiJFUzI1NiIsImtpZCI6ImticzovLy9kZWZhdWx0L3NlYWxlZC1zZWNyZXQta2V5L2RlbW8ifQ.eyJ2ZXJzaW9uIjoiMC4xLjAiLCJ0eXBlIjoidmF1bHQiLCJuYW1lIjoia2JzOi8vL2RlZmF1bHQvc2VjcmV0L2RiLXBhc3N3b3JkIiwicHJvdmlkZXIiOiJrYnMiLCJwcm92aWRlcl9zZXR0aW5ncyI6e30sImFubm90YXRpb25zIjp7fX0.siaV2C1GbOglspGemoMdqhBmF4dXxY0y7Jr2y2DvCbIVISagjj6siPIcwiNbBetAUF6473pHpK48eC7sEMzeFw";
    expect(await open(secret, { resources })).toBe("pa55");
    expect(resources.asked).toEqual(["default/sealed-secret-key/demo", "default/secret/db-password"]);
  });

  test("a newline at the end and capitals in the provider are forgiven", async () => {
    expect(await open(`${seal({ ...vault, provider: "KBS" })}\n`)).toBe("pa55");
  });

  test("each changed character of payload and signature is noticed", async () => {
    const secret = seal(vault);
    const header = secret.split(".").slice(0, 2).join(".").length;
    for (let at = header + 1; at < secret.length; at += 7) {
      const other = secret[at] === "A" ? "B" : "A";
      await expect(open(secret.slice(0, at) + other + secret.slice(at + 1))).rejects.toThrow();
    }
  });

  test("through the data hub and the key broker", async () => {
    const { dataHub } = await startServices({ kbs: { resources: stored } });
    const { UnsealSecret } = SealedSecretService.methods;
    const { plaintext } = await dataHub.call(UnsealSecret, { secret: Buffer.from(seal(vault)) });
    expect(Buffer.from(plaintext).toString()).toBe("pa55");
    await expect(dataHub.call(UnsealSecret, { secret: Buffer.from("sealed.a.b.c") })).rejects.toMatchObject({
      code: "internal",
      peerMessage: "[CDH] [ERROR]: Unseal Secret failed",
    });
  });
});

describe("refusals", () => {
  test.each(["none", "HS256", "ES384", "RS256", undefined])(
    "alg %s is refused before any key is fetched",
    async (alg) => {
      const resources = providerOf(stored);
      await expect(open(seal(vault, { alg, kid: keyUri }), { resources })).rejects.toThrow("algorithm must be ES256");
      expect(resources.asked).toEqual([]);
    },
  );

  test.each<[string, string, string]>([
    ["no prefix", seal(vault).slice("sealed.".length), "must be sealed."],
    ["the prefix twice", `sealed.${seal(vault)}`, "must be sealed."],
    ["five parts", `${seal(vault)}.x`, "must be sealed."],
    ["padding", `${seal(vault)}==`, "base64url"],
    ["a signature in DER", seal(vault, { alg: "ES256", kid: keyUri }, true), "wrong length"],
    ["no kid", seal(vault, { alg: "ES256" }), "Could not find kid"],
    ["a kid that is a file", seal(vault, { alg: "ES256", kid: "../../etc/key" }), "scheme must be kbs"],
    ["crit", seal(vault, { alg: "ES256", kid: keyUri, crit: ["x"] }), "extensions"],
    ["unencoded payload", seal(vault, { alg: "ES256", kid: keyUri, b64: false }), "extensions"],
    ["another version", seal({ ...vault, version: "0.2.0" }), "version not supported"],
    ["another type", seal({ ...vault, type: "Vault" }), "type must be vault or envelope"],
    ["no annotations", seal({ ...vault, annotations: undefined }), "annotations must be an object"],
    ["no name", seal({ ...vault, name: undefined }), "name must be text"],
    ["another provider", seal({ ...vault, provider: "aliyun" }), "Unsupported provider"],
    ["a name that is no URI", seal({ ...vault, name: "/etc/passwd" }), "scheme must be kbs"],
  ])("%s", async (_what, secret, message) => {
    await expect(open(secret)).rejects.toThrow(message);
  });

  test("a key in the header itself is never used", async () => {
    const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const header = { alg: "ES256", kid: keyUri, jwk: stranger.publicKey.export({ format: "jwk" }) };
    const signed = `${encode(header)}.${encode(vault)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: stranger.privateKey, dsaEncoding: "ieee-p1363" });
    await expect(open(`sealed.${signed}.${signature.toString("base64url")}`)).rejects.toThrow("signature");
  });

  test.each(['{"kty":"RSA","n":"AA","e":"AQAB"}', '{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}', "PEM"])(
    "a verification key that is %s is refused",
    async (key) => {
      const resources = providerOf({ ...stored, "default/sealed-secret-key/demo": key });
      await expect(open(seal(vault), { resources })).rejects.toThrow();
      expect(resources.asked).toEqual(["default/sealed-secret-key/demo"]);
    },
  );
});

describe("without verification", () => {
  test("the legacy form opens only when the configuration says so", async () => {
    const legacy = `sealed.fakejwsheader.${encode(vault)}.fakesignature`;
    expect(await open(legacy, { skipVerification: true })).toBe("pa55");
    await expect(open(legacy)).rejects.toThrow();
  });

  test("the form is checked all the same", async () => {
    for (const secret of [`${encode(vault)}.a.b`, `sealed.a.${encode(vault)}.b.c`, `sealed.a.${encode(vault)}=.b`]) {
      await expect(open(secret, { skipVerification: true })).rejects.toThrow();
    }
  });
});

describe("envelopes", () => {
  const envelope =
    "sealed.eyJhbGciOiJFUzI1NiIsImtpZCI6ImRlbW8ifQ.eyJ2ZXJzaW9uIjoiMC4xLjAiLCJ0eXBlIjoiZW52ZWxvcGUiLCJrZXlfaWQiOiJhbGlhcy9kZW1vIiwiZW5jcnlwdGVkX2tleSI6IlBHOXdZWEYxWlNCTFRWTWdZMmx3YUdWeWRHVjRkRDQ9IiwiZW5jcnlwdGVkX2RhdGEiOiJKRzJrYWFDR3RqdmxMdVg0MU1rYURQZWk0a2FKV3l3SVdSZUo0TzZBdDhHZ3hRbGt2ZzdPUEFuZDNEOD0iLCJ3cmFwX3R5cGUiOiJBMjU2R0NNIiwiaXYiOiJBQUVDQXdRRkJnY0lDUW9MIiwicHJvdmlkZXIiOiJhd3MiLCJwcm92aWRlcl9zZXR0aW5ncyI6eyJyZWdpb24iOiJ1cy1lYXN0LTEifSwiYW5ub3RhdGlvbnMiOnt9fQ.itRHhNWkN7vqMMrbptjXGxcDFCBvh1ajFMkR99Tq0KNWRn-dkgzNLkOad4T0RDY2Ok6AU7d6PqWIXGo18dYt4Q";
  const dataKey = () => Buffer.from(Array.from({ length: 32 }, (_, index) => index));

  test("the worked example opens with the data key of the service, which is wiped afterwards", async () => {
    const key = dataKey();
    const aws = { decrypt: async () => key };
    const plaintext = await open(envelope, { skipVerification: true, keyServices: new Map([["aws", aws]]) });
    expect(plaintext).toBe("correct horse battery staple");
    expect(key).toEqual(Buffer.alloc(32));
  });

  test("no service, a wrong key and a short key all fail", async () => {
    await expect(open(envelope, { skipVerification: true })).rejects.toThrow("Unsupported provider");
    for (const key of [Buffer.alloc(32), Buffer.alloc(16)]) {
      const keyServices = new Map([["aws", { decrypt: async () => key }]]);
      await expect(open(envelope, { skipVerification: true, keyServices })).rejects.toThrow("can't be decrypted");
    }
  });
});
