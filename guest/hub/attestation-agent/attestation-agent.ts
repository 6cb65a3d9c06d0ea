import type { Attester } from "../../attest/attester.ts";
import { GuestError } from "../../core/errors.ts";
import type { Timing } from "../../kbs/index.ts";
import type { AttestationAgentService, ExtendRuntimeMeasurementRequest } from "../../rpc/messages/attestation.ts";
import type { CallContext, Handlers } from "../../rpc/method.ts";
import type { AttestationAgentConfig } from "../config/attestation-agent-config.ts";
import { withPeerMessage } from "../peer-errors.ts";
import { createEvidenceProvider, getDeviceEvidence } from "./evidence.ts";
import { createTokenGetters } from "./tokens.ts";

/** Keeps events of the workload and the guest in order and in the TEE's registers. */
export interface EventRecorder {
  /** @throws GuestError when the register or the log can't be written, or the event can't be told from two */
  record(event: MeasuredEvent): Promise<void>;
}

/** An event as it is written: three words or texts (spec/attestation-agent.md 6.2). */
export interface MeasuredEvent {
  readonly domain: string;
  readonly operation: string;
  readonly content: string;
  /** Undefined: the configured default. */
  readonly pcr: number | undefined;
}

/** What the attestation agent is made of. */
export interface AttestationAgentParts {
  readonly attester: Attester;
  /** Devices with evidence of their own. */
  readonly devices: readonly Attester[];
  /** Text of the verified initdata document, to be shown to the key broker; undefined: it sees the digest at most. */
  readonly initData: string | undefined;
  /** Undefined when the event log is switched off or the TEE has no registers. */
  readonly events: EventRecorder | undefined;
  readonly timing: Timing;
  /** Aborted when the service stops. */
  readonly lifetime: AbortSignal;
}

/** RuntimeMeasurementResult (attestation-messages.tsv). */
const measurementResults = { ok: 0, notSupported: 1, notEnabled: 2 } as const;

/** Texts that callers of the reference get, by protocol (spec/attestation-agent.md 1.1). */
const prefix = "[ERROR:attestation-agent] ";
const peerMessages = {
  token: { ttrpc: "AA-KBC get token failed", grpc: "AA get token failed" },
  evidence: { ttrpc: "AA-KBC get evidence failed", grpc: "AA get evidence failed" },
  additionalEvidence: { ttrpc: "AA-KBC get evidence failed", grpc: "AA get additional evidence failed" },
  extend: { ttrpc: "AA extend runtime measurement failed", grpc: "AA extend runtime measurement failed" },
  bind: { ttrpc: "AA binding init data failed", grpc: "AA binding init data failed" },
} as const;

/**
 * The attestation agent: evidence, tokens and runtime measurements, for everybody inside this VM who can open its socket.
 *
 * @returns handlers of all seven methods, BindInitData over ttRPC included
 */
export function createAttestationAgent(
  config: AttestationAgentConfig,
  parts: AttestationAgentParts,
): Handlers<typeof AttestationAgentService> {
  const { attester, devices } = parts;
  const tokens = createTokenGetters(config, { ...parts, evidence: createEvidenceProvider(attester, devices) });

  return {
    GetEvidence: ({ RuntimeData }, context) =>
      failingWith("evidence", context, async () => ({
        Evidence: Buffer.from(await attester.getEvidence(RuntimeData, context.signal)),
      })),

    GetAdditionalEvidence: ({ RuntimeData }, context) =>
      failingWith("additionalEvidence", context, async () => ({
        Evidence: Buffer.from(await getDeviceEvidence(devices, RuntimeData, context.signal)),
      })),

    GetToken: ({ TokenType }, context) =>
      failingWith("token", context, async () => {
        const getToken = tokens.get(TokenType);
        if (getToken === undefined) throw new GuestError("invalid-argument", "Unsupported token type");
        return { Token: await getToken(context.signal) };
      }),

    ExtendRuntimeMeasurement: (request, context) =>
      failingWith("extend", context, async () => ({ Result: await extend(request) })),

    // "Unsupported" is an error here: who binds wants to know that it holds. The reference says yes.
    BindInitData: ({ Digest }, context) =>
      failingWith("bind", context, async () => {
        if ((await attester.bindInitData(Digest)) === "bound") return {};
        throw new GuestError("unimplemented", `TEE ${attester.tee} has nothing that initdata can be bound with`);
      }),

    GetTeeType: () => ({ tee: attester.tee }),

    GetAdditionalTees: () => ({ additional_tees: devices.map(({ tee }) => tee) }),
  };

  /** The order of the checks is the reference's: switched off comes before not supported (spec/attestation-agent.md 1.4). */
  async function extend(request: ExtendRuntimeMeasurementRequest): Promise<number> {
    if (!config.eventLog.enabled) return measurementResults.notEnabled;
    if (attester.registers === undefined || parts.events === undefined) return measurementResults.notSupported;
    await parts.events.record({
      domain: request.Domain,
      operation: request.Operation,
      content: request.Content,
      pcr: request.RegisterIndex === null ? undefined : toPcr(request.RegisterIndex),
    });
    return measurementResults.ok;
  }
}

function toPcr(registerIndex: bigint): number {
  if (registerIndex > 23n) throw new GuestError("invalid-argument", "there are 24 registers, 0 to 23");
  return Number(registerIndex);
}

function failingWith<T>(what: keyof typeof peerMessages, context: CallContext, action: () => Promise<T>): Promise<T> {
  const protocol = context.protocol === "grpc" ? "grpc" : "ttrpc";
  return withPeerMessage(prefix + peerMessages[what][protocol], action);
}
