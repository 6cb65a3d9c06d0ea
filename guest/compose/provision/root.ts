import { GuestError } from "../../core/errors.ts";
import type { ProvisionConfiguration } from "../configuration.ts";
import type { Machine } from "./machine.ts";

/** What device-mapper calls devices whose blocks are checked against a root hash. */
const verityPrefix = "CRYPT-VERITY-";

/**
 * Where the image's configuration demands it, podkeep runs from a root that the kernel verifies block by block and that nobody can
 * write to: anything else is not what was measured (threat model row 112).
 *
 * @throws GuestError `failed-precondition`
 */
export function requireVerifiedRoot(
  { root }: ProvisionConfiguration,
  machine: Pick<Machine, "readRootFileSystem">,
): void {
  if (root === "any") return;
  const { type, isReadonly, mapperId } = machine.readRootFileSystem();
  if (mapperId?.startsWith(verityPrefix) !== true) throw refusal(`${type} without dm-verity`);
  if (!isReadonly) throw refusal(`${type}, mounted writable`);
}

function refusal(found: string): GuestError {
  return new GuestError("failed-precondition", `provision.root requires a read-only verity root; this one is ${found}`);
}
