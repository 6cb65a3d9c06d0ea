import { posix } from "node:path";
import type { GuestPaths } from "../runtime/guest-paths.ts";
import { pathExists, removeFile, writeFileAtomically } from "../sys/file.ts";
import { bindMount, unmount } from "../sys/mount.ts";

/**
 * Gives the guest itself the pod's resolver (spec/agent-rpc.md 5, CreateSandbox step 7): a bind mount over the guest's own file,
 * which may be read-only. Not used in pod VMs.
 *
 * @param lines checked resolver lines; none leaves the guest's resolver as it is
 * @returns takes it back
 */
export function applyGuestDns(lines: readonly string[], resolverFile: string, paths: GuestPaths): () => void {
  if (lines.length === 0 || !pathExists(resolverFile)) return () => {};
  const file = posix.join(paths.sandboxStorage, "resolv.conf");
  writeFileAtomically(file, lines.map((line) => line.trim()).join("\n"), 0o644);
  try {
    bindMount(file, resolverFile);
  } catch (error) {
    removeFile(file);
    throw error;
  }
  return () => {
    unmount(resolverFile, { lazy: true });
    removeFile(file);
  };
}
