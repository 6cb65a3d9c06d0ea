import type { RequestedFile } from "./cloud-config.ts";

/** What user data has brought. All of it is the host's word; only the initdata is measured. */
export interface DeliveredFiles {
  /** `apf.json`: the pod's network and the TLS material of port 15150. */
  readonly forwarderConfiguration: string | undefined;
  /** `auth.json`: credentials for registries. */
  readonly registryCredentials: string | undefined;
  /** `initdata`: base64 of gzip of the document. */
  readonly initdata: string | undefined;
  /** Whether the VM's disk is to be used as scratch space. */
  readonly scratchSpace: boolean;
  /** Files that were not taken, and why; for the log. */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
}

const folder = "/run/peerpod";
const paths = {
  forwarderConfiguration: `${folder}/apf.json`,
  registryCredentials: `${folder}/auth.json`,
  initdata: `${folder}/initdata`,
  scratchSpace: `${folder}/scratch-space.marker`,
} as const;

/** The reference's allow-list (spec/userdata.md 5), compared as it is written: no path is ever joined or normalised. */
const accepted: ReadonlySet<string> = new Set(Object.values(paths));

/** Taken by the reference though nobody has measured them: a host could name its own key broker (threat model row 84). */
const measuredOnly: ReadonlySet<string> = new Set([`${folder}/aa.toml`, `${folder}/cdh.toml`]);

/**
 * Sorts out what user data may bring. The last of several files with one path counts.
 *
 * @param files in the order of the document
 */
export function sortDelivered(files: readonly RequestedFile[]): DeliveredFiles {
  const taken = new Map<string, string>();
  const refused: { path: string; reason: string }[] = [];
  for (const { path, content } of files) {
    if (accepted.has(path)) taken.set(path, content);
    else refused.push({ path: path.slice(0, 200), reason: reasonToRefuse(path) });
  }
  return {
    forwarderConfiguration: taken.get(paths.forwarderConfiguration),
    registryCredentials: taken.get(paths.registryCredentials),
    initdata: taken.get(paths.initdata),
    scratchSpace: taken.has(paths.scratchSpace),
    refused,
  };
}

function reasonToRefuse(path: string): string {
  return measuredOnly.has(path)
    ? "taken from initdata only, since nothing measures it here"
    : "not among the files that user data may bring";
}
