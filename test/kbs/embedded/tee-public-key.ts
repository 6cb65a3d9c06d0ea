import { createPublicKey, type KeyObject, type webcrypto } from "node:crypto";
import { refuse } from "./errors.ts";

/** A client's key in the broker's typed model: unknown members are dropped before anything is hashed. */
export type TeePublicKey = Readonly<Record<"kty" | "alg", string>> & Readonly<Record<string, string>>;

const membersOf: Readonly<Record<string, readonly string[]>> = {
  EC: ["kty", "crv", "alg", "x", "y"],
  RSA: ["kty", "alg", "n", "e"],
};

const algorithms: Readonly<Record<string, readonly string[]>> = {
  EC: ["ECDH-ES+A256KW"],
  RSA: ["RSA-OAEP-256", "RSA1_5"],
};

/** Coordinates have a fixed length (spec/kbs-protocol.md 2.3). */
const coordinateLengths: Readonly<Record<string, number>> = { "P-256": 43, "P-521": 88 };

/** Reads the JWK as the broker's model does. */
export function parseTeePublicKey(value: unknown): TeePublicKey {
  if (typeof value !== "object" || value === null) throw refuse("SerdeError", "tee-pubkey is no object");
  const jwk = value as Readonly<Record<string, unknown>>; // an object, checked above; members are checked below
  const kty = String(jwk["kty"]);
  const members = (membersOf[kty] ?? []).map((name): [string, string] => {
    const member = jwk[name];
    if (typeof member !== "string" || !/^[A-Za-z0-9_+-]+$/.test(member))
      throw refuse("SerdeError", `tee-pubkey ${name}`);
    return [name, member];
  });
  const key = Object.fromEntries(members) as TeePublicKey; // kty and alg are members of both kinds
  if (!algorithms[kty]?.includes(key.alg)) throw refuse("SerdeError", "tee-pubkey has an unknown kty or alg");
  const length = coordinateLengths[key["crv"] ?? ""];
  if (kty === "EC" && (key["x"]?.length !== length || key["y"]?.length !== length)) {
    throw refuse("SerdeError", "tee-pubkey has a coordinate of the wrong length");
  }
  return key;
}

/** For node:crypto. */
export function keyObjectOf(key: TeePublicKey): KeyObject {
  const { alg: _, ...jwk } = key;
  return createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: "jwk" }); // members were checked when it was parsed
}
