import { dirname, join } from "node:path";
import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { mountScratchSpace, systemStorageTools } from "../../hub/index.ts";
import type { Initdata } from "../../initdata/initdata.ts";
import { createGuestPaths } from "../../runtime/guest-paths.ts";
import { Directory } from "../../sys/directory.ts";
import { makeDirectories, pathExists } from "../../sys/file.ts";
import { availableMemoryBytes } from "../../sys/memory.ts";
import { bindMount, isMountPoint, mount, mountFlags } from "../../sys/mount.ts";
import { type Configuration, luksHeaderDirectory } from "../configuration.ts";
import { dataHubConfigOf, imageStoreOf } from "../data-hub-config.ts";
import { provisionedFiles } from "../provisioned-files.ts";
import type { UserData } from "./user-data.ts";

/** What decides over the pod's storage. */
export interface StorageRequest {
  readonly configuration: Configuration;
  readonly initdata: Initdata | undefined;
  readonly userData: UserData | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Makes scratch space; this machine's when absent. */
  readonly mountScratchSpace?: typeof mountScratchSpace;
}

/** Memory that a file costs in a tmpfs beside its content is about 1 KiB; so an eighth of the limit at most goes there. */
const bytesPerInode = 8192;

/**
 * Gives what pods, images and hosts can fill a file system of its own: image layers, the containers' writable layers, emptyDirs, files
 * that are copied in. When it is full they get ENOSPC, and the agent still has /run and memory (threat model row 120, scenario V3). It is
 * the encrypted scratch space where user data asks for one, else memory up to a limit.
 *
 * @throws GuestError when scratch space is asked for and can't be had: the pod is not to land in memory unseen
 */
export async function provideStorage(request: StorageRequest): Promise<void> {
  const { configuration, initdata, userData, log } = request;
  const limit = configuration.provision.storageLimit;
  const wantsScratchSpace = isScratchSpaceWanted(configuration, userData);
  if (limit === "") {
    if (wantsScratchSpace) log.warn("user data asks for scratch space, but provision.storage_limit is not set");
    return;
  }
  const share = parseShare(limit);
  const store = imageStoreOf(dataHubConfigOf(initdata), configuration.hub);
  makeDirectories(store, 0o700);
  if (isMountPoint(store)) log.info("storage is mounted already", { store });
  else if (wantsScratchSpace) await mountScratch(store, request);
  else mountMemory(store, Math.floor(availableMemoryBytes() * share), log);
  moveVolumes(store, configuration);
}

/** Without user data others (cloud-init) may have left the marker. */
function isScratchSpaceWanted({ provision }: Configuration, userData: UserData | undefined): boolean {
  return userData?.files.scratchSpace ?? pathExists(join(provision.directory, provisionedFiles.scratchSpace));
}

function parseShare(limit: string): number {
  const [, percent] = /^([1-9]\d?)%$/.exec(limit) ?? [];
  if (percent !== undefined) return Number(percent) / 100;
  throw new GuestError("invalid-argument", "configuration key provision.storage_limit: it takes a share such as 50%");
}

async function mountScratch(store: string, request: StorageRequest): Promise<void> {
  const { configuration, log, signal, mountScratchSpace: mountSpace = mountScratchSpace } = request;
  try {
    await mountSpace(store, {
      tools: systemStorageTools,
      headerDirectory: luksHeaderDirectory(configuration.agent),
      folders: { disks: "/sys/block", nodes: "/dev" },
      partitionDefinitions: "/usr/lib/podkeep/repart.d",
      log,
      signal,
    });
  } catch (cause) {
    throw new GuestError("failed-precondition", "user data asks for scratch space, which can't be had", { cause });
  }
  using root = Directory.open(store);
  root.changeOwnerAndMode(0, 0, 0o700);
}

function mountMemory(store: string, sizeBytes: number, log: Log): void {
  mount({
    source: "podkeep-storage",
    target: store,
    type: "tmpfs",
    flags: mountFlags.nosuid | mountFlags.nodev | mountFlags.noatime,
    data: `mode=0700,size=${sizeBytes},nr_inodes=${Math.ceil(sizeBytes / bytesPerInode)}`,
  });
  log.info("storage is in memory", { store, sizeBytes });
}

/** Volumes have their known places in the agent's state directory, and their content here. */
function moveVolumes(store: string, { agent }: Configuration): void {
  const { sharedContainers, sandboxStorage } = createGuestPaths({
    base: agent.stateDirectory,
    networkNamespace: undefined,
  });
  for (const [name, place] of [
    ["shared", dirname(sharedContainers)],
    ["sandbox", sandboxStorage],
  ] as const) {
    if (isMountPoint(place)) continue;
    const content = join(store, "volumes", name);
    makeDirectories(content);
    makeDirectories(place);
    bindMount(content, place);
  }
}
