import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import type { Mount, Spec } from "../../rpc/messages/oci.ts";
import type { GuestPaths } from "../../runtime/guest-paths.ts";
import { locateVolume, openVolume } from "../../runtime/guest-volumes.ts";
import { openBindSource } from "../../runtime/mount-sources.ts";
import { closeDescriptor } from "../../sys/descriptor.ts";
import { mountOf } from "../../sys/mount.ts";
import { refusal } from "../errors.ts";
import { type CloudVolume, cloudVolumesAnnotation, parseCloudVolumes } from "./cloud-volume-annotation.ts";
import { csiTargetsAnnotation, notMounted, openCsiTarget, parseCsiTargets } from "./csi-targets.ts";

/** Volumes that don't come with the request's storages, and the container's mounts with these in their places. */
export interface VolumePlan {
  /** Derived from the request's, which stay as the policy has judged them. */
  readonly mounts: readonly Mount[];
  readonly cloudVolumes: readonly CloudVolume[];
  /** Names of cloud volumes that no mount of this container is for. */
  readonly unused: readonly string[];
  /** Sources of mounts that a CSI driver in the guest has to mount first. */
  readonly csiTargets: readonly string[];
  /** @throws GuestError `permission-denied` for the source of a bind mount that is neither a volume nor where hosts may point to */
  checkSource(source: string): void;
  /** Opens the source of a bind mount (O_PATH): one of these volumes, or what hosts may name. */
  openSource(source: string): number;
}

/**
 * What the reference's forwarder does to a request before the policy sees it (spec/forwarder.md 5.1, steps 2 and 3), planned after
 * the policy's word. Pure.
 *
 * @throws GuestError of {@link parseCloudVolumes} and {@link parseCsiTargets}; `permission-denied` for a mount whose source is a cloud
 *   volume's place
 */
export function planVolumes({ Annotations: annotations, Mounts: mounts }: Spec, paths: GuestPaths): VolumePlan {
  const cloudVolumes = parseCloudVolumes(annotations[cloudVolumesAnnotation]);
  const listed = parseCsiTargets(annotations[csiTargetsAnnotation], paths);
  const used = cloudVolumes.filter((volume) => indexOfMount(volume, mounts) >= 0);
  const sources = new Map(used.map((volume) => [indexOfMount(volume, mounts), placeOf(volume, paths)]));
  const places = new Set(sources.values());
  const planned = mounts.map((mount, index) => {
    const source = sources.get(index);
    if (source === undefined) return withoutCloudVolume(mount, paths);
    // In the container, too, whatever the host's options say: who has the disk may have changed it.
    return { ...mount, source, type: "bind", options: [...mount.options, "nosuid", "nodev"] };
  });
  return {
    mounts: planned,
    cloudVolumes,
    unused: cloudVolumes.filter((volume) => !used.includes(volume)).map(({ name }) => name),
    // cloud-api-adaptor lists its cloud volumes there, too; these are no longer the sources of any mount.
    csiTargets: planned.map(({ source }) => source).filter((source) => listed.has(source)),
    checkSource: (source) => {
      if (!places.has(source) && !listed.has(source)) locateVolume(source, paths);
    },
    openSource: (source) => {
      if (places.has(source)) return openCloudVolume(source, paths);
      return listed.has(source) ? openMountedTarget(source, paths) : openBindSource(source, paths);
    },
  };
}

/** A cloud volume is there for the mount that its annotation names, and for no other. */
function withoutCloudVolume(mount: Mount, { cloudVolumes }: GuestPaths): Mount {
  if (!posix.normalize(mount.source).startsWith(`${cloudVolumes}/`)) return mount;
  throw refusal("no cloud volume is for this mount", { path: mount.source });
}

/** What is written to the bare directory would be lost with the VM, so something has to be mounted on it now. */
function openCloudVolume(place: string, paths: GuestPaths): number {
  const fd = openVolume(place, paths, (root, path) => root.openPath(path));
  if (mountOf(fd)?.mountPoint === place) return fd;
  closeDescriptor(fd);
  throw new GuestError("failed-precondition", "the cloud volume is not mounted any more", { fields: { path: place } });
}

function openMountedTarget(target: string, paths: GuestPaths): number {
  const fd = openCsiTarget(target, paths);
  if (fd === undefined) throw notMounted(target);
  return fd;
}

/** Where a cloud volume is mounted in the guest. */
export function placeOf({ name }: CloudVolume, { cloudVolumes }: GuestPaths): string {
  return posix.join(cloudVolumes, name);
}

function indexOfMount({ mountPoint }: CloudVolume, mounts: readonly Mount[]): number {
  return mounts.findIndex(
    ({ destination }) => posix.normalize(`/${destination}`).replace(/(?<=.)\/$/u, "") === mountPoint,
  );
}
