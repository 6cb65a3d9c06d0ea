import type { MessageSchema } from "../rpc/protobuf/schema.ts";

/** The service whose requests the policy decides. */
export const agentService = "grpc.AgentService";

/** The service that every shim polls, never checked (spec/policy-enforcement.md 2). */
export const healthService = "grpc.Health";

/** Evaluated once when a policy is loaded: whether denials let pass (spec/policy-enforcement.md 5.3). */
export const allowFailuresEntrypoint = "AllowRequestsFailingPolicy";

/**
 * The name of the rule that decides a request: the short name of its message. ReadStdout and ReadStderr share
 * `ReadStreamRequest`, since their message is the same; an operator who wants logs but no exec relies on that.
 */
export function entrypointOf({ fullName }: MessageSchema): string {
  return fullName.slice(fullName.lastIndexOf(".") + 1);
}
