import { maxListEntries } from "../limits.ts";
import type { OciNamespace } from "../oci-spec.ts";
import { invalidSpec, refusedSpec } from "./spec-error.ts";

const ipcSettings: ReadonlySet<string> = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/**
 * Kernel settings of a container: only those that live in one of its namespaces (spec/agent-rpc.md 11.7).
 *
 * @throws GuestError `internal` with the reference's wording for any other
 */
export function convertSysctl(
  sysctl: Readonly<Record<string, string>>,
  namespaces: readonly OciNamespace[],
): Readonly<Record<string, string>> | undefined {
  const entries = Object.entries(sysctl);
  if (entries.length > maxListEntries) throw invalidSpec(`more than ${maxListEntries} sysctl settings`);
  for (const [name] of entries) requireNamespaced(name, new Set(namespaces.map(({ type }) => type)));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function requireNamespaced(name: string, namespaces: ReadonlySet<OciNamespace["type"]>): void {
  // "/" and ".." in a name would reach other files below /proc/sys.
  if (!/^[a-z0-9_.-]+$/iu.test(name) || name.includes(".."))
    throw invalidSpec("Sysctl config contains invalid settings");
  if (ipcSettings.has(name) || name.startsWith("fs.mqueue.")) {
    if (!namespaces.has("ipc")) throw invalidSpec("Linux namespace does not contain ipc");
    return;
  }
  if (name === "kernel.domainname") return;
  if (name.startsWith("net.")) {
    if (!namespaces.has("network")) throw refusedSpec("a net sysctl needs a network namespace", { name });
    return;
  }
  // The misspelt word is the reference's.
  if (name === "kernel.hostname") throw invalidSpec("Kernel hostname specfied in Spec");
  throw invalidSpec("Sysctl config contains invalid settings", { name });
}
