import { GuestError } from "../../core/errors.ts";
import { AttestationAgentService } from "../../rpc/messages/attestation.ts";
import type { RpcClient } from "../../rpc/method.ts";

/** What the data hub asks of the attestation agent. */
export interface AttestationAgentClient {
  /** @returns what GetToken answers for type `kbs` */
  getKbsToken(signal: AbortSignal): Promise<Uint8Array>;
  /** Records an event. @returns whether a register has it now; no register and no log are fine */
  recordEvent(event: RecordedEvent, signal: AbortSignal): Promise<boolean>;
}

/** An event for the agent's default register. */
export interface RecordedEvent {
  readonly domain: string;
  readonly operation: string;
  readonly content: string;
}

/** As the reference waits (spec/cdh.md 2). */
const tokenTimeoutMs = 50_000;
const extendTimeoutMs = 10_000;

/** RuntimeMeasurementResult (attestation-messages.tsv): done, no registers, switched off. */
const measured = 0;
const notMeasured: readonly number[] = [1, 2];

const { GetToken, ExtendRuntimeMeasurement } = AttestationAgentService.methods;

/** Asks an attestation agent, ours or the reference's, in this process or another, by the reference's interface. */
export function createAttestationAgentClient(agent: RpcClient): AttestationAgentClient {
  return {
    getKbsToken: async (signal) => {
      const { Token } = await agent.call(GetToken, { TokenType: "kbs" }, { timeoutMs: tokenTimeoutMs, signal });
      return Token;
    },
    recordEvent: async ({ domain, operation, content }, signal) => {
      const request = { Domain: domain, Operation: operation, Content: content };
      const options = { timeoutMs: extendTimeoutMs, signal };
      const { Result } = await agent.call(ExtendRuntimeMeasurement, request, options);
      if (Result === measured) return true;
      if (notMeasured.includes(Result)) return false;
      throw new GuestError("internal", "the attestation agent gave an unknown measurement result");
    },
  };
}
