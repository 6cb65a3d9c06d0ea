import { GuestError } from "../core/errors.ts";
import { isContainerId, isExecId } from "./container-id.ts";
import { guardCreateContainer } from "./create-container-guard.ts";
import { maxIdLength } from "./limits.ts";
import { quoteForPeer } from "./peer-text.ts";

/**
 * Refuses requests that no honest shim sends and that policies can't be expected to think of. Runs before the policy, so that
 * nothing it refuses can reach the policy's state (threat model rows 17 and 19). No policy can relax it.
 *
 * @param entrypoint the name of the rule that would decide
 * @param request the decoded request
 * @throws GuestError `invalid-argument`; `internal` for the id of a new container, as the reference does
 */
export function guardRequest(entrypoint: string, request: unknown): void {
  if (typeof request !== "object" || request === null) return;
  if ("container_id" in request) guardContainerId(entrypoint, request.container_id);
  if ("exec_id" in request) guardExecId(request.exec_id);
  if (entrypoint === "CreateContainerRequest") guardCreateContainer(request);
}

function guardContainerId(entrypoint: string, id: unknown): void {
  if (isContainerId(id)) return;
  const shown = String(id).slice(0, maxIdLength);
  if (entrypoint === "CreateContainerRequest") throw new GuestError("internal", `invalid container ID ${shown}`);
  throw new GuestError("invalid-argument", "invalid container id", {
    peerMessage: quoteForPeer("invalid container id"),
    fields: { container: shown },
  });
}

/** An empty exec id stands for the container's first process. */
function guardExecId(id: unknown): void {
  if (id === "" || isExecId(id)) return;
  throw new GuestError("invalid-argument", "invalid exec id", {
    peerMessage: quoteForPeer("invalid exec id"),
    fields: { exec: String(id).slice(0, maxIdLength) },
  });
}
