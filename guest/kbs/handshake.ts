import { messageOf } from "../core/errors.ts";
import { parseSetCookies } from "./cookies.ts";
import { KbsError } from "./errors.ts";
import { limits } from "./limits.ts";
import {
  type Challenge,
  encodeAttestation,
  encodeRequest,
  parseAttestationReply,
  parseChallenge,
  parseErrorReply,
} from "./messages.ts";
import { withRetries } from "./retry.ts";
import { digestForDevices, digestForTee, type RuntimeData } from "./runtime-data.ts";
import { generateTeeKey, type TeeKey, type TeeKeyAlgorithm } from "./tee-key.ts";
import type { Timing } from "./timing.ts";
import type { KbsResponse, KbsTransport } from "./transport.ts";

/** Makes evidence of what this VM is. Declared here, fulfilled by an attester. */
export interface EvidenceProvider {
  /** As the protocol names it, such as `snp`. */
  readonly tee: string;
  /** @returns JSON text of the TEE's kind, bound to the report data */
  getEvidence(reportData: Uint8Array, signal: AbortSignal): Promise<string>;
  /** @returns JSON text of an object with one member a device, or empty without devices */
  getAdditionalEvidence(reportData: Uint8Array, signal: AbortSignal): Promise<string>;
}

/** What a handshake needs. */
export interface HandshakeOptions {
  readonly transport: KbsTransport;
  readonly evidence: EvidenceProvider;
  readonly keyAlgorithm: TeeKeyAlgorithm;
  /** The initdata document as text, when the broker shall see it. */
  readonly initData: string | undefined;
  readonly timing: Timing;
}

/** What a handshake gives. */
export interface Attested {
  /** JWT that names the key and what the verifier found. */
  readonly token: string;
  readonly key: TeeKey;
  /** `Cookie` header of the session. */
  readonly cookie: string;
}

/**
 * Attests to a key broker: request, challenge, attestation, response (spec/kbs-protocol.md 2, 6.2), again after transient
 * failures, with a key made for this handshake. The key never leaves this VM; its public half and the broker's nonce are bound
 * in the evidence (threat model row 95).
 *
 * @throws KbsError
 */
export async function attest(options: HandshakeOptions, signal: AbortSignal): Promise<Attested> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(limits.handshakeTimeoutMs)]);
  const key = await generateTeeKey(options.keyAlgorithm);
  return withRetries(limits.maxHandshakeAttempts, options.timing, bounded, () => handshake(options, key, bounded));
}

async function handshake(options: HandshakeOptions, key: TeeKey, signal: AbortSignal): Promise<Attested> {
  const { challenge, cookie } = await requestChallenge(options, signal);
  const body = await attestationBody(options, key, challenge, signal);
  const response = await options.transport.send({
    path: "attest",
    body,
    credentials: { cookie },
    maxBodyBytes: limits.maxAttestationBytes,
    signal,
  });
  if (response.status !== 200) throw refusal(response, "the attestation", true);
  return { token: parseAttestationReply(response.body), key, cookie };
}

async function requestChallenge(
  options: HandshakeOptions,
  signal: AbortSignal,
): Promise<{ readonly challenge: Challenge; readonly cookie: string }> {
  const response = await options.transport.send({
    path: "auth",
    body: encodeRequest(options.evidence.tee),
    credentials: {},
    maxBodyBytes: limits.maxChallengeBytes,
    signal,
  });
  if (response.status !== 200) throw refusal(response, "the request", false);
  const cookie = parseSetCookies(response.headers.get("set-cookie"));
  if (cookie === "") throw new KbsError("malformed", "the key broker opened no session (no cookie)");
  return { challenge: parseChallenge(response.body), cookie };
}

async function attestationBody(
  { evidence, initData }: HandshakeOptions,
  key: TeeKey,
  { nonce, hash }: Challenge,
  signal: AbortSignal,
): Promise<string> {
  const runtimeData: RuntimeData = { nonce, teePublicKey: key.publicKey };
  try {
    const additionalEvidence = await evidence.getAdditionalEvidence(digestForDevices(runtimeData, hash), signal);
    const reportData = digestForTee(runtimeData, additionalEvidence, hash);
    const primaryEvidence = await evidence.getEvidence(reportData, signal);
    return encodeAttestation({ runtimeData, initData, primaryEvidence, additionalEvidence });
  } catch (cause) {
    throw new KbsError("evidence", `no evidence for the key broker: ${messageOf(cause)}`, { cause });
  }
}

/**
 * @param retryRefusal whether 401 may be a passing trouble: brokers answer it, too, when their verifier can't reach the
 * manufacturer's certificate service
 */
function refusal(response: KbsResponse, what: string, retryRefusal: boolean): KbsError {
  const { variant, detail } = parseErrorReply(response.body);
  const fields = { status: response.status, variant, detail };
  if (response.status === 401) {
    const reason = detail === "" ? "" : `: ${detail}`;
    return new KbsError("unauthorized", `the key broker refused ${what}${reason}`, { fields, transient: retryRefusal });
  }
  const transient = response.status >= 500 || response.status === 429;
  return new KbsError("server", `the key broker answered ${what} with status ${response.status}`, {
    fields,
    transient,
  });
}
