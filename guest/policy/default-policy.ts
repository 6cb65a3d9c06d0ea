import { describeFailure, GuestError } from "../core/errors.ts";
import { decodeUtf8 } from "../core/utf8.ts";
import { readFileBounded } from "../sys/file.ts";
import type { PolicyOrigin } from "./active-policy.ts";
import { maxPolicyBytes } from "./limits.ts";
import type { PolicySource } from "./policy-engine.ts";

/** A policy and where it came from, as a gate takes it. */
export interface LoadedPolicySource {
  readonly policy: PolicySource;
  readonly origin: PolicyOrigin;
}

/**
 * Reads the policy that rules when the initdata has none. The image's own is `policy/deny-all.rego`.
 *
 * @throws GuestError `failed-precondition` when it can't be read: without a policy nothing may start
 */
export function readDefaultPolicy(path: string): LoadedPolicySource {
  try {
    const text = decodeUtf8(readFileBounded(path, maxPolicyBytes), path);
    return { policy: { kind: "rego", text }, origin: { kind: "default-file", path } };
  } catch (cause) {
    const problem = `the default policy ${path} can't be read: ${describeFailure(cause)}`;
    throw new GuestError("failed-precondition", problem, { cause });
  }
}
