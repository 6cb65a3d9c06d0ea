import { createPublicKey, type KeyObject } from "node:crypto";
import type { Tpm } from "./tpm.ts";
import { TpmReader } from "./wire.ts";

/** An RSA key in the TPM. */
export interface TpmPublicKey {
  readonly publicKey: KeyObject;
  /** TPMA_OBJECT. */
  readonly attributes: number;
  /** Whether the key signs only what the TPM itself made: what an attestation key must be. */
  readonly isRestrictedSigningKey: boolean;
}

const rsaType = 0x0001;
const nullAlgorithm = 0x0010;
const defaultExponent = 65_537;

/** TPMA_OBJECT. */
const restricted = 1 << 16;
const sign = 1 << 18;

/**
 * Reads the public part of an RSA key.
 *
 * @param handle of a loaded or persistent object
 * @throws TpmError `HANDLE` when there is none; GuestError `data-loss` for a key of another kind
 */
export async function readPublicKey(tpm: Tpm, handle: number): Promise<TpmPublicKey> {
  const response = await tpm.execute({ name: "TPM2_ReadPublic", code: 0x173, handles: [handle] });
  const area = response.sized();
  response.sized(); // name
  response.sized(); // qualified name
  response.end();
  return parsePublicArea(area);
}

/** Reads a TPMT_PUBLIC of an RSA key. @throws GuestError `data-loss` */
export function parsePublicArea(bytes: Uint8Array): TpmPublicKey {
  const area = new TpmReader(bytes, "TPM public area");
  if (area.uint16() !== rsaType) throw area.malformed("is not of an RSA key");
  area.uint16(); // hash of the name
  const attributes = area.uint32();
  area.sized(); // policy
  if (area.uint16() !== nullAlgorithm) area.bytes(4); // symmetric algorithm of a storage key: bits and mode
  if (area.uint16() !== nullAlgorithm) area.bytes(2); // the signing scheme's hash
  area.uint16(); // bits of the key
  const exponent = area.uint32();
  const modulus = area.sized();
  area.end();
  const exponentBytes = Buffer.alloc(4);
  exponentBytes.writeUInt32BE(exponent === 0 ? defaultExponent : exponent);
  const jwk = { kty: "RSA", n: modulus.toString("base64url"), e: trimZeros(exponentBytes).toString("base64url") };
  return {
    publicKey: createPublicKey({ key: jwk, format: "jwk" }),
    attributes,
    isRestrictedSigningKey: (attributes & restricted) !== 0 && (attributes & sign) !== 0,
  };
}

function trimZeros(bytes: Buffer): Buffer {
  return bytes.subarray(bytes.findIndex((byte) => byte !== 0));
}
