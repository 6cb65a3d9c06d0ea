import { maxIdLength } from "./limits.ts";

/**
 * True for what may name a container or a sandbox: at least two characters, of which the first is a letter or digit
 * (spec/agent-rpc.md 5, CreateContainer step 2). Such a name is a plain file name and never starts an option.
 */
export function isContainerId(id: string): boolean {
  return id.length <= maxIdLength && /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/u.test(id);
}

/** True for what may name an exec process; shims choose random identifiers or containerd's exec ids. */
export function isExecId(id: string): boolean {
  return id.length <= maxIdLength && /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/u.test(id);
}
