import { posix } from "node:path";
import type { Mount } from "../../rpc/messages/oci.ts";
import { maxListEntries, maxPathBytes } from "../limits.ts";
import type { OciMount } from "../oci-spec.ts";
import { limitMemory } from "../storage/memory-limit.ts";
import { invalidSpec, refusedSpec } from "./spec-error.ts";

/** A mount of a container: either one that the kernel fills, or a bind of something in the guest. */
export type ContainerMount =
  | { readonly kind: "virtual"; readonly mount: OciMount }
  /** `mount.source` still is the path that the host named; it has to be opened beneath an allowed root before use. */
  | { readonly kind: "bind"; readonly mount: OciMount };

/** The only files below /proc that a bind mount may cover (spec/agent-rpc.md 11.5). */
const bindableProcFiles: ReadonlySet<string> = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/meminfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/loadavg",
  "/proc/net/dev",
]);

/** Virtual file systems and the one place of each; a second /proc elsewhere would escape the masked paths. */
const virtualDestinations: ReadonlyMap<string, string | undefined> = new Map([
  ["proc", "/proc"],
  ["sysfs", "/sys"],
  ["cgroup", "/sys/fs/cgroup"],
  ["cgroup2", "/sys/fs/cgroup"],
  ["devpts", "/dev/pts"],
  ["mqueue", "/dev/mqueue"],
  ["tmpfs", undefined],
]);

/** With these a container's mounts would appear in the guest. */
const outwardPropagation: ReadonlySet<string> = new Set(["shared", "rshared"]);

/**
 * Checks and converts the mounts of a container. Independent of the policy (threats 27, 40, 41): destinations are absolute,
 * free of `..`, never `/`, never below /proc but for a short list, and unique once normalised; file systems other than binds
 * are limited to the virtual ones at their usual place. Parents come first, as container engines have it: a policy that demands a
 * mount at /a/b sees it in the list, and a later one at /a would hide it from the container.
 *
 * @throws GuestError `internal` for a malformed mount, `permission-denied` for one that no container may have
 */
export function convertMounts(mounts: readonly Mount[]): ContainerMount[] {
  if (mounts.length > maxListEntries) throw invalidSpec(`more than ${maxListEntries} mounts`);
  const destinations = new Set<string>();
  const converted = mounts.map((mount) => {
    const destination = normalizedDestination(mount.destination);
    if (destinations.has(destination)) throw refusedSpec("two mounts have the same destination", { destination });
    destinations.add(destination);
    return isBind(mount) ? convertBind(mount, destination) : convertVirtual(mount, destination);
  });
  return converted.sort((one, other) => depthOf(one) - depthOf(other));
}

function depthOf({ mount }: ContainerMount): number {
  return mount.destination.split("/").length;
}

function normalizedDestination(destination: string): string {
  if (destination === "") throw invalidSpec("mount destination is empty");
  if (!destination.startsWith("/")) throw invalidSpec("mount destination is not absolute", { destination });
  requireCleanPath(destination, "destination");
  const normalized = posix.normalize(destination).replace(/\/$/u, "");
  if (normalized === "") throw refusedSpec("mount destination is the root file system");
  return normalized;
}

/** Refuses what the kernel and this program could read differently: `..`, zero bytes, paths that are too long. */
function requireCleanPath(path: string, what: string): void {
  if (path.includes("\0")) throw refusedSpec(`mount ${what} has a zero byte`);
  if (Buffer.byteLength(path) > maxPathBytes) throw refusedSpec(`mount ${what} is too long`);
  if (path.split("/").includes("..")) throw refusedSpec(`mount ${what} has a parent step`, { path });
}

/** The runtimes bind-mount as soon as an option says so, whatever the type; an emptyDir arrives with type `local`. */
function isBind(mount: Mount): boolean {
  return mount.type === "bind" || mount.type === "local" || mount.options.some((o) => o === "bind" || o === "rbind");
}

function convertBind(mount: Mount, destination: string): ContainerMount {
  if (!mount.source.startsWith("/")) throw refusedSpec("mount source is not absolute", { source: mount.source });
  requireCleanPath(mount.source, "source");
  if (isBelow(destination, "/proc") && !bindableProcFiles.has(destination)) {
    throw refusedSpec("mount destination is below /proc", { destination });
  }
  const options = convertOptions(mount.options);
  if (!options.some((option) => option === "bind" || option === "rbind")) options.unshift("rbind");
  return { kind: "bind", mount: { destination, type: "bind", source: mount.source, options } };
}

function convertVirtual(mount: Mount, destination: string): ContainerMount {
  if (!virtualDestinations.has(mount.type)) {
    throw refusedSpec("mount type is not one that a container may have", { type: mount.type, destination });
  }
  const only = virtualDestinations.get(mount.type);
  if (only !== undefined && only !== destination) {
    throw refusedSpec(`a ${mount.type} mount belongs at ${only}`, { destination });
  }
  if (only === undefined && isBelow(destination, "/proc")) {
    throw refusedSpec("mount destination is below /proc", { destination });
  }
  // The source of a virtual file system is only a label; ours says what it is.
  const converted = convertOptions(mount.options);
  const options = mount.type === "tmpfs" ? limitMemory(converted) : converted;
  return { kind: "virtual", mount: { destination, type: mount.type, source: mount.type, options } };
}

function convertOptions(options: readonly string[]): string[] {
  if (options.length > maxListEntries) throw invalidSpec(`more than ${maxListEntries} mount options`);
  for (const option of options) {
    if (outwardPropagation.has(option)) throw refusedSpec("mount would propagate into the guest", { option });
    if (option.includes("\0")) throw refusedSpec("mount option has a zero byte");
  }
  return options.filter((option) => option !== "");
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
