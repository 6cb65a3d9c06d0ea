import { posix } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GuestError } from "../../core/errors.ts";
import type { GuestPaths } from "../../runtime/guest-paths.ts";
import { closeDescriptor } from "../../sys/descriptor.ts";
import { Directory } from "../../sys/directory.ts";
import { mountOf, readMountTable } from "../../sys/mount.ts";
import { isErrno } from "../../sys/system-error.ts";
import { refusal } from "../errors.ts";
import { csiTargetPollMs, maxAnnotationLength, maxCsiTargets } from "../limits.ts";

/** Annotation in which cloud-api-adaptor lists the mounts that a CSI driver in the guest provides (spec/forwarder.md 6.3). */
export const csiTargetsAnnotation = "io.confidentialcontainers.org.peerpodvolumes.target_path";

/** Below the kubelet's directory of pods: `<pod's uid>/volumes/kubernetes.io~csi/<volume>/mount`. */
const publishPath = /^[0-9a-f-]{1,64}\/volumes\/kubernetes\.io~csi\/[A-Za-z0-9][A-Za-z0-9._-]{0,252}\/mount$/u;

/**
 * Reads the list: paths with commas between, empty parts ignored.
 *
 * @param text absent: none
 * @throws GuestError `permission-denied` for a path that no CSI driver publishes at; `invalid-argument` for too many
 */
export function parseCsiTargets(text: string | undefined, paths: GuestPaths): ReadonlySet<string> {
  const targets = new Set(
    (text ?? "")
      .slice(0, maxAnnotationLength + 1)
      .split(",")
      .filter((part) => part !== ""),
  );
  if ((text?.length ?? 0) > maxAnnotationLength || targets.size > maxCsiTargets) {
    throw new GuestError("invalid-argument", "too many volumes in the annotation peerpodvolumes.target_path");
  }
  for (const target of targets) {
    const isBelow = target.startsWith(`${paths.kubeletPods}/`);
    if (!isBelow || !publishPath.test(target.slice(paths.kubeletPods.length + 1))) {
      throw refusal("peerpodvolumes.target_path names a path that no CSI driver publishes at", { path: target });
    }
  }
  return targets;
}

/**
 * Opens the file system that a CSI driver in the guest has mounted (O_PATH). Hosts can't mount there, nor containers: what they mount
 * stays in their own namespace. Still no link is followed, and a part of the guest's own file systems, bound to that place, is not
 * handed out (threat 41).
 *
 * @param target checked by {@link parseCsiTargets}
 * @returns undefined when nothing is mounted there
 * @throws GuestError `permission-denied` for a link on the way, or a file system that the guest itself uses
 */
export function openCsiTarget(target: string, paths: GuestPaths): number | undefined {
  const fd = openIfPresent(target, paths);
  if (fd === undefined) return undefined;
  let keeps = false;
  try {
    const table = readMountTable();
    const mounted = mountOf(fd, table);
    if (mounted?.mountPoint !== target) return undefined;
    // Volumes are staged in the kubelet's directory; containers that are being made hold theirs in podkeep's.
    const own = [posix.dirname(paths.kubeletPods), paths.base];
    const isGuests = table.some(
      ({ device, mountPoint }) =>
        device === mounted.device && !own.some((directory) => mountPoint.startsWith(`${directory}/`)),
    );
    if (isGuests) throw refusal("a CSI volume is a file system that the guest itself uses", { path: target });
    keeps = true;
    return fd;
  } finally {
    if (!keeps) closeDescriptor(fd);
  }
}

/**
 * Waits until all are mounted.
 *
 * @throws GuestError `deadline-exceeded` naming the first that isn't; as {@link openCsiTarget}; the signal's reason
 */
export async function awaitCsiTargets(
  targets: readonly string[],
  paths: GuestPaths,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const attempts = Math.max(1, Math.ceil(timeoutMs / csiTargetPollMs));
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const missing = targets.find((target) => !isMounted(target, paths));
    if (missing === undefined) return;
    if (attempt === attempts) throw notMounted(missing);
    await delay(csiTargetPollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Nothing has been mounted at a CSI target, or not for long. */
export function notMounted(target: string): GuestError {
  const problem = "no CSI driver in the guest has mounted the volume: nothing is mounted at the mount's source";
  return new GuestError("deadline-exceeded", problem, { fields: { path: target } });
}

function isMounted(target: string, paths: GuestPaths): boolean {
  const fd = openCsiTarget(target, paths);
  if (fd === undefined) return false;
  closeDescriptor(fd);
  return true;
}

function openIfPresent(target: string, paths: GuestPaths): number | undefined {
  try {
    using pods = Directory.open(paths.kubeletPods, { mounts: "cross" });
    return pods.openPath(posix.relative(paths.kubeletPods, target));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    if (isErrno(error, "ELOOP", "EXDEV")) throw refusal("path leads through a link", { path: target });
    throw error;
  }
}
