import { posix } from "node:path";
import { closeDescriptor, descriptorPath } from "../sys/descriptor.ts";
import { Directory } from "../sys/directory.ts";
import { bindMount, unmount } from "../sys/mount.ts";
import { isErrno } from "../sys/system-error.ts";
import type { ContainerMount } from "./conversion/mounts.ts";
import { bundleOf, type GuestPaths } from "./guest-paths.ts";
import { openVolume } from "./guest-volumes.ts";
import type { OciMount } from "./oci-spec.ts";

/**
 * The sources of a container's bind mounts, held fast.
 *
 * Hosts choose the paths, and hosts (by CopyFile) and containers (in shared volumes) can plant links on the way. So each source is
 * opened beneath one of the few directories that containers may see, without following any link, and mounted at a place that only
 * podkeep knows; the OCI runtime gets that place (threats 41, 127). Only needed until the container is created.
 */
export class MountSources {
  readonly #places: string[] = [];
  readonly #paths: GuestPaths;
  readonly #directory: string;

  private constructor(paths: GuestPaths, containerId: string) {
    this.#paths = paths;
    this.#directory = posix.join(bundleOf(paths, containerId), "mounts");
  }

  /**
   * @param mounts checked mounts, see `convertMounts`
   * @param openSource opens the source of a bind mount (O_PATH) where a container may have it from, such as {@link openBindSource}
   * @returns the mounts as the OCI runtime is to make them, and their keeper
   * @throws what `openSource` throws; nothing stays mounted then
   */
  static hold(
    mounts: readonly ContainerMount[],
    paths: GuestPaths,
    containerId: string,
    openSource: (source: string) => number,
  ): { readonly mounts: OciMount[]; readonly sources: MountSources } {
    const sources = new MountSources(paths, containerId);
    try {
      const held = mounts.map(({ kind, mount }) =>
        kind === "virtual" ? mount : { ...mount, source: sources.#hold(openSource(mount.source)) },
      );
      return { mounts: held, sources };
    } catch (error) {
      sources.release();
      throw error;
    }
  }

  /** Lets go. Mounts inside the container stay. Calling again does nothing. */
  release(): void {
    for (const place of this.#places.splice(0)) unmount(place, { lazy: true });
  }

  /** Closes the descriptor. */
  #hold(fd: number): string {
    try {
      const place = this.#makePlace(fd);
      bindMount(descriptorPath(fd), place, { recursive: true });
      this.#places.push(place);
      return place;
    } finally {
      closeDescriptor(fd);
    }
  }

  /** A bind mount needs a directory for a directory and a file for anything else. */
  #makePlace(sourceFd: number): string {
    const name = `${this.#places.length}`;
    using base = Directory.open(this.#paths.base);
    base.makeDirectories(posix.relative(this.#paths.base, this.#directory), 0o700);
    using places = base.openDirectory(posix.relative(this.#paths.base, this.#directory));
    if (isDirectory(sourceFd)) places.makeDirectory(name, 0o700);
    else closeDescriptor(places.createFile(name));
    return posix.join(this.#directory, name);
  }
}

/**
 * Opens the source of a bind mount in one of the directories that hosts may name. A missing directory is made, as the forwarder of the
 * reference does (spec/forwarder.md 5.1, step 4), but only below these directories and after the policy's word.
 *
 * @returns a descriptor (O_PATH)
 * @throws GuestError `permission-denied` for a path that is elsewhere or leads through a link
 */
export function openBindSource(source: string, paths: GuestPaths): number {
  return openVolume(source, paths, openOrMake);
}

function openOrMake(root: Directory, path: string): number {
  try {
    return root.openPath(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    root.makeDirectories(path);
    return root.openPath(path);
  }
}

function isDirectory(fd: number): boolean {
  try {
    Directory.open(descriptorPath(fd)).close();
    return true;
  } catch (error) {
    if (isErrno(error, "ENOTDIR")) return false;
    throw error;
  }
}
