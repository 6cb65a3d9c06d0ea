import { type Health, HealthCheckResponseServingStatus } from "../../rpc/messages/health.ts";
import type { Handlers } from "../../rpc/method.ts";
import { agentVersion, grpcVersion } from "../version.ts";

/** Health (spec/agent-rpc.md 6.11): polled every few seconds, so it does no work. */
export function healthHandlers(): Handlers<typeof Health> {
  return {
    Check: () => ({ status: HealthCheckResponseServingStatus.SERVING }),
    Version: () => ({ agent_version: agentVersion, grpc_version: grpcVersion }),
  };
}
