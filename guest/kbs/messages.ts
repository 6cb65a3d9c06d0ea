import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../core/json.ts";
import { KbsError } from "./errors.ts";
import { limits } from "./limits.ts";
import type { RuntimeData } from "./runtime-data.ts";

/** The only version that key brokers of this protocol accept (spec/kbs-protocol.md 2.1). */
const protocolVersion = "0.4.0";

/** Digests that runtime data can be bound with. */
const hashAlgorithms = ["sha256", "sha384", "sha512", "sm3"] as const;
/** A digest's name as the protocol and node:crypto spell it. */
export type HashAlgorithm = (typeof hashAlgorithms)[number];

const defaultHash: HashAlgorithm = "sha384";

/** What the broker asks for. */
export interface Challenge {
  readonly nonce: string;
  readonly hash: HashAlgorithm;
}

/** What a broker says when it refuses. */
export interface ErrorReply {
  /** Last part of the error's type, such as `PolicyDeny`; empty when the answer was no error of the protocol. */
  readonly variant: string;
  readonly detail: string;
}

/** Body of POST /auth. */
export function encodeRequest(tee: string): string {
  return JSON.stringify({
    version: protocolVersion,
    tee,
    "extra-params": { "supported-hash-algorithms": hashAlgorithms },
  });
}

/** What goes into POST /attest. */
export interface Attestation {
  readonly runtimeData: RuntimeData;
  /** The whole initdata document, when the broker shall see it. */
  readonly initData: string | undefined;
  /** JSON text, put in as it is: its 64-bit numbers survive no parser. */
  readonly primaryEvidence: string;
  /** JSON text or empty. Sent as a string within the JSON. */
  readonly additionalEvidence: string;
}

/** Body of POST /attest (spec/kbs-protocol.md 2.3). */
export function encodeAttestation(attestation: Attestation): string {
  const { initData, runtimeData } = attestation;
  const initDataMember = initData === undefined ? null : { format: "toml", body: initData };
  const runtimeDataMember = { nonce: runtimeData.nonce, "tee-pubkey": runtimeData.teePublicKey };
  return (
    `{"init-data":${JSON.stringify(initDataMember)},"runtime-data":${JSON.stringify(runtimeDataMember)},` +
    `"tee-evidence":{"primary_evidence":${attestation.primaryEvidence},` +
    `"additional_evidence":${JSON.stringify(attestation.additionalEvidence)}}}`
  );
}

/**
 * Parses the answer to POST /auth (spec/kbs-protocol.md 2.2).
 *
 * @throws KbsError `malformed`
 */
export function parseChallenge(body: Uint8Array): Challenge {
  const { nonce, "extra-params": extraParams } = parseObject(body, "challenge");
  if (typeof nonce !== "string" || nonce === "" || nonce.length > limits.maxNonceLength || !nonce.isWellFormed()) {
    throw malformed("challenge has no usable nonce");
  }
  return { nonce, hash: selectedHash(extraParams) };
}

/**
 * Parses the answer to POST /attest.
 *
 * @returns the token, a JWT; only its form is known to be right
 * @throws KbsError `malformed`
 */
export function parseAttestationReply(body: Uint8Array): string {
  const { token } = parseObject(body, "attestation reply");
  if (typeof token !== "string") throw malformed("attestation reply has no token");
  return token;
}

/** Parses the body of a refusal; anything that isn't the protocol's error gives an empty variant. */
export function parseErrorReply(body: Uint8Array): ErrorReply {
  try {
    const { type, detail } = parseObject(body, "error");
    const variant = typeof type === "string" ? (/\/errors\/([A-Za-z]{1,64})$/.exec(type)?.[1] ?? "") : "";
    return { variant, detail: typeof detail === "string" ? printable(detail) : "" };
  } catch {
    // The status code alone decides then; proxies answer with HTML.
    return { variant: "", detail: "" };
  }
}

/** Parses a body that has to be a JSON object of the protocol. */
export function parseObject(body: Uint8Array, what: string): JsonObject {
  try {
    const value = parseJson(body);
    if (isJsonObject(value)) return value;
  } catch (cause) {
    throw malformed(`${what} is not acceptable JSON`, cause);
  }
  throw malformed(`${what} is no JSON object`);
}

function selectedHash(extraParams: JsonValue | undefined): HashAlgorithm {
  const selected = isJsonObject(extraParams) ? extraParams["selected-hash-algorithm"] : undefined;
  if (selected === undefined) return defaultHash;
  const name = typeof selected === "string" ? selected.toLowerCase() : "";
  const known = hashAlgorithms.find((algorithm) => algorithm === name);
  if (known === undefined) throw malformed("challenge selects a hash algorithm that was not offered");
  return known;
}

/** A broker's text is for the log; control characters stay out of it. */
function printable(text: string): string {
  return text.slice(0, limits.maxErrorDetail).replaceAll(/[\u0000-\u001f\u007f]/g, " ");
}

function malformed(reason: string, cause?: unknown): KbsError {
  return new KbsError("malformed", `the key broker's ${reason}`, { cause });
}
