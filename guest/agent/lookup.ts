import { GuestError } from "../core/errors.ts";
import type { Container } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";

/** The container of a process. @throws GuestError `invalid-argument` with the reference's bare word (spec/agent-rpc.md 3) */
export function lookupContainer(sandbox: Sandbox, id: string): Container {
  return sandbox.container(id, () => new GuestError("invalid-argument", "InvalidContainerId"));
}
