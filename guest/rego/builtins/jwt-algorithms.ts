/** The signature algorithms of JSON Web Algorithms (RFC 7518, RFC 8037) on node:crypto, which unlike jose is synchronous. */
import { constants, createHmac, type KeyObject, sign, timingSafeEqual, verify } from "node:crypto";

/** A key: for HMAC its bytes, else a public or private key. */
export type JwtKey = Buffer | KeyObject;

/** How a token with an `alg` is signed and verified. A key of another type fits nothing: no confusion of algorithms. */
export interface JwtAlgorithm {
  readonly sign: (key: JwtKey, data: Buffer) => Buffer | undefined;
  readonly verify: (key: JwtKey, data: Buffer, signature: Buffer) => boolean;
}

function hmac(hash: string): JwtAlgorithm {
  const compute = (key: JwtKey, data: Buffer) =>
    Buffer.isBuffer(key) ? createHmac(hash, key).update(data).digest() : undefined;
  return {
    sign: compute,
    verify: (key, data, signature) => {
      const expected = compute(key, data);
      return expected !== undefined && expected.length === signature.length && timingSafeEqual(expected, signature);
    },
  };
}

interface AsymmetricOptions {
  readonly keyType: string;
  readonly curve?: string;
  readonly padding?: number;
  readonly saltLength?: number;
  readonly dsaEncoding?: "ieee-p1363";
}

function asymmetric(hash: string | null, options: AsymmetricOptions): JwtAlgorithm {
  const { keyType, curve, ...parameters } = options;
  const fits = (key: JwtKey): key is KeyObject => {
    if (Buffer.isBuffer(key) || key.asymmetricKeyType !== keyType) return false;
    return curve === undefined || key.asymmetricKeyDetails?.namedCurve === curve;
  };
  return {
    sign: (key, data) => (fits(key) ? sign(hash, data, { key, ...parameters }) : undefined),
    verify: (key, data, signature) => fits(key) && verify(hash, data, { key, ...parameters }, signature),
  };
}

const pkcs1 = { keyType: "rsa", padding: constants.RSA_PKCS1_PADDING };
const pss = {
  keyType: "rsa",
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_AUTO,
};

function ecdsa(hash: string, curve: string): JwtAlgorithm {
  return asymmetric(hash, { keyType: "ec", curve, dsaEncoding: "ieee-p1363" });
}

export const jwtAlgorithms: ReadonlyMap<string, JwtAlgorithm> = new Map([
  ["HS256", hmac("sha256")],
  ["HS384", hmac("sha384")],
  ["HS512", hmac("sha512")],
  ["RS256", asymmetric("sha256", pkcs1)],
  ["RS384", asymmetric("sha384", pkcs1)],
  ["RS512", asymmetric("sha512", pkcs1)],
  ["PS256", asymmetric("sha256", pss)],
  ["PS384", asymmetric("sha384", pss)],
  ["PS512", asymmetric("sha512", pss)],
  ["ES256", ecdsa("sha256", "prime256v1")],
  ["ES384", ecdsa("sha384", "secp384r1")],
  ["ES512", ecdsa("sha512", "secp521r1")],
  ["EdDSA", asymmetric(null, { keyType: "ed25519" })],
]);
