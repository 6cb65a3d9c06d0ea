import { createPublicKey, generateKeyPairSync, sign, verify, type webcrypto } from "node:crypto";
import { refuse } from "./errors.ts";

/** Claims of a token. */
export type Claims = Readonly<Record<string, unknown>>;

/** Leeway that the broker grants (spec/kbs-server.md 4). */
const leewaySeconds = 60;

/** Issues and verifies the broker's tokens with a key made at its start (spec/kbs-protocol.md 7.1). */
export class TokenIssuer {
  readonly #key = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly #jwk = { ...this.#key.publicKey.export({ format: "jwk" }), alg: "ES256" };

  /** @param nowSeconds and lifeSeconds become `iat` and `exp` */
  issue(claims: Claims, nowSeconds: number, lifeSeconds: number): string {
    const header = { typ: "JWT", alg: "ES256", jwk: this.#jwk };
    const payload = { ...claims, iat: nowSeconds, exp: nowSeconds + lifeSeconds, iss: "CoCo-Attestation-Service" };
    const input = `${encode(header)}.${encode(payload)}`;
    const signature = sign("sha256", Buffer.from(input), { key: this.#key.privateKey, dsaEncoding: "ieee-p1363" });
    return `${input}.${signature.toString("base64url")}`;
  }

  /** Verifies a token: signed by this broker and not over. */
  verify(token: string, nowSeconds: number): Claims {
    const [header, payload, signature, ...rest] = token.split(".");
    if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) throw invalid();
    const { alg, jwk } = decode(header) as { alg?: string; jwk?: webcrypto.JsonWebKey }; // members are compared below
    if (alg !== "ES256" || jwk?.x !== this.#jwk.x || jwk?.y !== this.#jwk.y) throw invalid();
    const key = { key: createPublicKey(this.#key.privateKey), dsaEncoding: "ieee-p1363" as const };
    const input = Buffer.from(`${header}.${payload}`);
    if (!verify("sha256", input, key, Buffer.from(signature, "base64url"))) throw invalid();
    const claims = decode(payload);
    const expiry = claims["exp"];
    if (typeof expiry !== "number" || expiry + leewaySeconds < nowSeconds) throw invalid();
    return claims;
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decode(part: string): Claims {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    throw invalid();
  }
}

function invalid(): Error {
  return refuse("TokenVerifierError", "Token Verifier error");
}
