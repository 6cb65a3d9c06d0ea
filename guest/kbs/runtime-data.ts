import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";
import type { HashAlgorithm } from "./messages.ts";
import type { TeePublicKey } from "./tee-key.ts";

/** What evidence is bound to: the broker's nonce and the key that its answers are encrypted for. */
export interface RuntimeData {
  /** The challenge's text, unchanged. */
  readonly nonce: string;
  readonly teePublicKey: TeePublicKey;
}

/** Report data for additional devices: H(JCS({nonce, tee-pubkey})) (spec/kbs-protocol.md 3). */
export function digestForDevices(data: RuntimeData, hash: HashAlgorithm): Uint8Array {
  return digest({ nonce: data.nonce, "tee-pubkey": data.teePublicKey }, hash);
}

/**
 * Report data for the VM's own TEE: H(JCS({additional-evidence, nonce, tee-pubkey})) (spec/kbs-protocol.md 3).
 *
 * @param additionalEvidence exactly the text that is sent; empty when there are no devices, but hashed all the same
 */
export function digestForTee(data: RuntimeData, additionalEvidence: string, hash: HashAlgorithm): Uint8Array {
  const bound = { "additional-evidence": additionalEvidence, nonce: data.nonce, "tee-pubkey": data.teePublicKey };
  return digest(bound, hash);
}

function digest(value: Parameters<typeof canonicalJson>[0], hash: HashAlgorithm): Uint8Array {
  return createHash(hash).update(canonicalJson(value)).digest();
}
