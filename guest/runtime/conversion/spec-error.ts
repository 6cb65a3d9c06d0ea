import { GuestError } from "../../core/errors.ts";

/** An OCI spec that cannot be run as it is: the reference answers such with INTERNAL (spec/agent-rpc.md 11.7). */
export function invalidSpec(message: string, fields: Readonly<Record<string, unknown>> = {}): GuestError {
  return new GuestError("internal", message, { fields });
}

/** Something that no container may have, whatever the policy says (spec/threat-model.md, rows 33 to 48). */
export function refusedSpec(message: string, fields: Readonly<Record<string, unknown>> = {}): GuestError {
  return new GuestError("permission-denied", message, { fields });
}
