import { GuestError } from "../../core/errors.ts";
import {
  attest,
  createTransport,
  type EvidenceProvider,
  encodeAgentToken,
  encodeTeeKeyPem,
  type KbsEndpoint,
  type KbsTransport,
  type Timing,
} from "../../kbs/index.ts";
import { HttpClient } from "../../sys/http-client.ts";
import type { AttestationAgentConfig } from "../config/attestation-agent-config.ts";

/** Gets tokens of one kind; each call attests anew, with a key of its own for the caller. */
export type GetToken = (signal: AbortSignal) => Promise<Uint8Array>;

/** What tokens are made from. */
export interface TokenSources {
  readonly evidence: EvidenceProvider;
  /** The initdata document's text, when the verifier shall see it. */
  readonly initData: string | undefined;
  readonly timing: Timing;
  /** Aborted when the service stops. */
  readonly lifetime: AbortSignal;
}

/** Time for an attestation service's answer, and the longest token that is taken. */
const serviceTimeoutMs = 60_000;
const maxTokenBytes = 4 * 1024 * 1024;

/** The kinds of tokens that the configuration provides for, by the name that callers use (spec/attestation-agent.md 1.2). */
export function createTokenGetters(
  { kbs, attestationService }: AttestationAgentConfig,
  sources: TokenSources,
): ReadonlyMap<string, GetToken> {
  const getters = new Map<string, GetToken>([
    ["kbs", notConfigured("kbs")],
    ["coco_as", notConfigured("coco_as")],
  ]);
  if (kbs !== undefined) {
    const transport = createTransport(kbs.endpoint);
    sources.lifetime.addEventListener("abort", () => transport.close(), { once: true });
    getters.set("kbs", (signal) => getKbsToken(transport, kbs.keyAlgorithm, sources, signal));
  }
  if (attestationService !== undefined) {
    getters.set("coco_as", (signal) => getServiceToken(attestationService, sources.evidence, signal));
  }
  return getters;
}

/** JSON `{"token", "tee_keypair"}`: the key that the token names goes along, since the caller decrypts with it. */
async function getKbsToken(
  transport: KbsTransport,
  keyAlgorithm: NonNullable<AttestationAgentConfig["kbs"]>["keyAlgorithm"],
  { evidence, initData, timing }: TokenSources,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { token, key } = await attest({ transport, keyAlgorithm, evidence, initData, timing }, signal);
  return encodeAgentToken(token, encodeTeeKeyPem(key));
}

/**
 * A token of a stand-alone attestation service (spec/kbs-server.md 8). The evidence binds nothing, as in the reference: such a token
 * says what the VM is, and neither when nor for which key.
 */
async function getServiceToken(
  { url, certificate }: KbsEndpoint,
  evidence: EvidenceProvider,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const text = await evidence.getEvidence(new Uint8Array(0), signal);
  const request = { tee: evidence.tee, evidence: Buffer.from(text).toString("base64url") };
  const http = new HttpClient({
    trust: certificate === undefined ? { kind: "public" } : { kind: "only", certificates: [certificate] },
  });
  try {
    const response = await http.request({
      url: `${url}/attestation`,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ verification_requests: [request], policy_ids: [] }),
      timeoutMs: serviceTimeoutMs,
      signal,
    });
    const body = await response.bytes(maxTokenBytes);
    if (response.status === 200) return body;
    throw new GuestError("unauthenticated", "the attestation service refused", { fields: { status: response.status } });
  } finally {
    http.close();
  }
}

function notConfigured(kind: string): GetToken {
  return async () => {
    throw new GuestError("failed-precondition", `${kind} token config not configured in config file`);
  };
}
