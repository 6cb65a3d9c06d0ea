import { createHash } from "node:crypto";
import { refuse } from "./errors.ts";
import type { TeePublicKey } from "./tee-public-key.ts";
import type { Claims } from "./tokens.ts";

/** Judges evidence of one TEE. Throws when it isn't genuine or binds other report data. */
export type EvidenceVerifier = (evidence: unknown, reportData: Buffer, initDataDigest: Buffer | undefined) => Claims;

/** What a guest posts to /attest, as far as it is verified. */
export interface AttestationMessage {
  readonly "init-data"?: { readonly format: string; readonly body: string } | null;
  readonly "runtime-data": { readonly nonce: string; readonly "tee-pubkey": unknown };
  readonly "tee-evidence": { readonly primary_evidence: unknown; readonly additional_evidence: string };
}

/** What evidence has to be bound to. The nonce is the session's own. */
export interface Expectation {
  readonly tee: string;
  readonly nonce: string;
  readonly key: TeePublicKey;
  /** Digest of the runtime data. */
  readonly hash: string;
}

/** The verifier of the sample TEE and device (spec/kbs-server.md 6.1). */
export const sampleVerifier: EvidenceVerifier = (evidence, reportData, initDataDigest) => {
  const { svn, report_data: bound } = evidence as Record<string, unknown>; // any JSON value that isn't null has members
  if (typeof svn !== "string" || typeof bound !== "string") throw new Error("sample evidence lacks a member");
  if (!Buffer.from(bound, "base64").equals(reportData)) throw new Error("sample evidence has other report data");
  return {
    sample: { svn, launch_digest: "abcde", platform_version: { major: 1, minor: 4 }, debug: false },
    report_data: bound,
    ...(initDataDigest === undefined ? {} : { init_data: initDataDigest.toString("base64") }),
  };
};

/** The built-in verifiers. */
export const builtInVerifiers: Readonly<Record<string, EvidenceVerifier>> = {
  sample: sampleVerifier,
  sampledevice: sampleVerifier,
};

/** Verifies primary and additional evidence and gives the token's claims (spec/kbs-server.md 3, spec/kbs-protocol.md 7.1). */
export function verifyAttestation(
  message: AttestationMessage,
  expected: Expectation,
  verifiers: Readonly<Record<string, EvidenceVerifier>>,
): Claims {
  const additional = message["tee-evidence"].additional_evidence;
  const devices: Record<string, unknown> = additional === "" ? {} : JSON.parse(additional);
  const bound = { nonce: expected.nonce, "tee-pubkey": expected.key };
  const deviceDigest = digest(expected.hash, bound);
  const teeDigest = digest(expected.hash, { ...bound, "additional-evidence": additional });
  const initData = initDataDigestOf(message["init-data"]);
  const verify = (tee: string, evidence: unknown, reportData: Buffer): Claims => {
    const verifier = verifiers[tee];
    if (verifier === undefined) throw new Error(`no verifier for ${tee}`);
    return verifier(evidence, reportData, initData);
  };
  const submodules: Record<string, unknown> = {
    cpu0: appraisal({
      ...verify(expected.tee, message["tee-evidence"].primary_evidence, teeDigest),
      runtime_data_claims: { ...bound, "additional-evidence": additional },
    }),
  };
  Object.entries(devices).forEach(([tee, evidence], index) => {
    submodules[`gpu${index}`] = appraisal({ ...verify(tee, evidence, deviceDigest), runtime_data_claims: bound });
  });
  return { eat_profile: "tag:github.com,2024:confidential-containers/Trustee", submods: submodules };
}

/** The annotated evidence of the primary TEE in a token. */
export function annotatedEvidence(claims: Claims): Readonly<Record<string, unknown>> {
  const submodules = claims["submods"] as { cpu0?: Record<string, Record<string, unknown>> } | undefined; // our own token
  return submodules?.cpu0?.["ear.veraison.annotated-evidence"] ?? {};
}

function appraisal(annotated: Claims): Claims {
  return {
    "ear.status": "warning",
    "ear.trustworthiness-vector": { executables: 33, hardware: 2, configuration: 36 },
    "ear.appraisal-policy-id": "default",
    "ear.veraison.annotated-evidence": annotated,
  };
}

function initDataDigestOf(initData: AttestationMessage["init-data"]): Buffer | undefined {
  if (initData === null || initData === undefined) return undefined;
  if (initData.format !== "toml") throw refuse("AttestationError", "Attestation error: RCAR handshake Attest failed");
  const algorithm = /^algorithm\s*=\s*["'](sha256|sha384|sha512)["']/m.exec(initData.body)?.[1];
  if (algorithm === undefined) throw new Error("initdata names no algorithm");
  return createHash(algorithm).update(initData.body).digest();
}

/** RFC 8785 for objects of strings, written apart from the client's on purpose. */
function digest(hash: string, value: Record<string, unknown>): Buffer {
  return createHash(hash)
    .update(JSON.stringify(sorted(value)))
    .digest();
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}
