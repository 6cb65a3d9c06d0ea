import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { KbsError } from "./errors.ts";

/** The values of `tee_key_algorithm` in aa.toml (spec/attestation-agent.md 3.2). */
export const teeKeyAlgorithms = ["ECDH-ES+A256KW-P256", "ECDH-ES+A256KW-P521", "RSA-OAEP-256"] as const;

/** How the key broker encrypts for this VM. */
export type TeeKeyAlgorithm = (typeof teeKeyAlgorithms)[number];

/** The public half as it is hashed into the evidence. Its members are exactly those of the broker's typed model. */
export type TeePublicKey =
  | {
      readonly kty: "EC";
      readonly crv: "P-256" | "P-521";
      readonly alg: "ECDH-ES+A256KW";
      readonly x: string;
      readonly y: string;
    }
  | { readonly kty: "RSA"; readonly alg: "RSA-OAEP-256"; readonly n: string; readonly e: string };

/** A key that is made inside this VM, bound to evidence, and opens what the broker sends. */
export interface TeeKey {
  readonly publicKey: TeePublicKey;
  readonly privateKey: KeyObject;
}

const generate = promisify(generateKeyPair);

/** The size that the reference uses. */
const rsaModulusBits = 2048;

/** Makes a key. The kernel's random numbers are waited for when they aren't ready at boot (threat model row 103). */
export async function generateTeeKey(algorithm: TeeKeyAlgorithm): Promise<TeeKey> {
  if (algorithm === "RSA-OAEP-256") {
    return teeKeyOf((await generate("rsa", { modulusLength: rsaModulusBits })).privateKey);
  }
  const namedCurve = algorithm === "ECDH-ES+A256KW-P256" ? "P-256" : "P-521";
  return teeKeyOf((await generate("ec", { namedCurve })).privateKey);
}

/**
 * The private key as the attestation agent hands it out beside a token: PKCS#8 for EC, PKCS#1 for RSA
 * (spec/attestation-agent.md 1.2).
 */
export function encodeTeeKeyPem(key: TeeKey): string {
  const type = key.publicKey.kty === "RSA" ? "pkcs1" : "pkcs8";
  return key.privateKey.export({ format: "pem", type }).toString();
}

/**
 * Reads what {@link encodeTeeKeyPem} (or the reference) wrote.
 *
 * @throws KbsError `malformed`; the text isn't quoted
 */
export function parseTeeKeyPem(pem: string): TeeKey {
  try {
    return teeKeyOf(createPrivateKey(pem));
  } catch (error) {
    if (error instanceof KbsError) throw error;
    throw new KbsError("malformed", "the attestation agent's tee_keypair is no private key in PEM");
  }
}

function teeKeyOf(privateKey: KeyObject): TeeKey {
  const { kty, crv, x, y, n, e } = createPublicKey(privateKey).export({ format: "jwk" });
  if (kty === "EC" && (crv === "P-256" || crv === "P-521") && x !== undefined && y !== undefined) {
    return { publicKey: { kty, crv, alg: "ECDH-ES+A256KW", x, y }, privateKey };
  }
  if (kty === "RSA" && n !== undefined && e !== undefined) {
    return { publicKey: { kty, alg: "RSA-OAEP-256", n, e }, privateKey };
  }
  throw new KbsError("malformed", "the TEE key must be EC on P-256 or P-521, or RSA");
}
