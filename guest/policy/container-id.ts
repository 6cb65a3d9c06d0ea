import { maxIdLength } from "./limits.ts";

const containerId = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const execId = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
/** What the shipped rules keep in their state beside the container ids. */
const reservedIds: ReadonlySet<string> = new Set(["sandbox_name", "namespace", "network_namespace"]);

/**
 * Whether a text may name a container or a sandbox: what the reference accepts in ASCII (spec/agent-rpc.md 5, CreateContainer step 2), up
 * to 128 characters, and no key of a policy's state. Such a name is a plain file name and never starts an option.
 */
export function isContainerId(id: unknown): boolean {
  return typeof id === "string" && id.length <= maxIdLength && containerId.test(id) && !reservedIds.has(id);
}

/** Whether a text may name an exec process; shims choose random identifiers or containerd's exec ids. */
export function isExecId(id: unknown): boolean {
  return typeof id === "string" && id.length <= maxIdLength && execId.test(id);
}
