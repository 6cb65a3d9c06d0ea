import type { LinuxNamespace } from "../../rpc/messages/oci.ts";
import type { OciNamespace } from "../oci-spec.ts";
import { invalidSpec, refusedSpec } from "./spec-error.ts";

/** The namespaces that this guest made and that a container may join. */
export interface KnownNamespaces {
  /** Paths by type. A type without a path gets a namespace of its own. */
  readonly paths: Readonly<Partial<Record<OciNamespace["type"], string>>>;
  /** True with cgroup v2, where a container never sees the guest's cgroup tree (spec/agent-rpc.md 11.3). */
  readonly ownCgroupNamespace: boolean;
}

const namespaceTypes: ReadonlySet<string> = new Set(["pid", "ipc", "uts", "mount", "network", "user", "cgroup"]);

function isNamespaceType(type: string): type is OciNamespace["type"] {
  return namespaceTypes.has(type);
}

/**
 * The namespaces of a container (spec/agent-rpc.md 11.3): its own mount and pid namespace, the sandbox's ipc and uts ones, the
 * pod's network, and what else the request names. A host can neither leave out the isolating ones nor name a path that is not
 * ours (threat 44).
 *
 * @throws GuestError `internal` for an unknown or doubled type, `permission-denied` for a path that is not the pod's
 */
export function convertNamespaces(requested: readonly LinuxNamespace[], known: KnownNamespaces): OciNamespace[] {
  const types = requestedTypes(requested, known);
  for (const type of ["pid", "ipc", "uts", "mount"] as const) types.add(type);
  if (known.paths.network !== undefined) types.add("network");
  if (known.ownCgroupNamespace) types.add("cgroup");
  return [...types].map((type) => {
    const path = known.paths[type];
    return path === undefined ? { type } : { type, path };
  });
}

function requestedTypes(requested: readonly LinuxNamespace[], known: KnownNamespaces): Set<OciNamespace["type"]> {
  const types = new Set<OciNamespace["type"]>();
  for (const { Type: type, Path: path } of requested) {
    if (!isNamespaceType(type)) throw invalidSpec("namespace type is unknown", { type });
    // The forwarder of the reference adds the pod's network beside an entry that the shim may have left.
    if (types.has(type) && type !== "network") throw invalidSpec(`namespace ${type} is named twice`);
    if (path !== "" && path !== known.paths[type]) {
      throw refusedSpec(`namespace ${type} has a path that is not the pod's`, { path });
    }
    types.add(type);
  }
  return types;
}
