import fs from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GuestError } from "../core/errors.ts";
import { type CgroupHierarchy, detectCgroupHierarchy } from "./cgroup-hierarchy.ts";
import { makeDirectories, pathExists, readFileIfPresent, writeKernelFile } from "./file.ts";
import { maxGroupDepth, maxKernelFileBytes } from "./limits.ts";
import { sendSignal } from "./signal.ts";
import { asSystemCall, isErrno } from "./system-error.ts";

/**
 * A control group, with those below it, on machines with version 2 and with version 1. In version 1 it is a directory of the same
 * path in each controller's hierarchy.
 */
export class Cgroup {
  /** The interface of the files that {@link read} finds: version 2 has `memory.current`, version 1 `memory.usage_in_bytes`. */
  readonly version: 1 | 2;
  /** Directory by controller; in version 2 one for all, with the empty name. */
  readonly #directories: ReadonlyMap<string, string>;

  private constructor(version: 1 | 2, directories: ReadonlyMap<string, string>) {
    this.version = version;
    this.#directories = directories;
  }

  /** The group of this path in every hierarchy; it need not exist. @param cgroupPath absolute, such as `/kata/abc` */
  static at(cgroupPath: string, hierarchy: CgroupHierarchy = detectCgroupHierarchy()): Cgroup {
    if (!cgroupPath.startsWith("/") || cgroupPath.split("/").includes(".."))
      throw new GuestError("invalid-argument", "a cgroup path must be absolute and have no ..");
    const mounts = new Map(hierarchy.kind === "unified" ? [["", hierarchy.mountPoint]] : hierarchy.controllers);
    if (hierarchy.kind === "legacy" && hierarchy.unifiedMountPoint !== undefined)
      mounts.set("", hierarchy.unifiedMountPoint);
    const directories = [...mounts].map(([controller, mount]) => [controller, path.join(mount, cgroupPath)] as const);
    return new Cgroup(hierarchy.kind === "unified" ? 2 : 1, new Map(directories));
  }

  /** The directory of a controller such as `memory`; undefined when it isn't mounted. */
  directory(controller: string): string | undefined {
    return this.#directories.get(this.version === 2 ? "" : controller);
  }

  /**
   * Makes it, with those above, so that files such as `memory.max` are there. Nothing happens when it is there.
   *
   * @param controller such as `memory`
   * @throws GuestError `failed-precondition` on version 1, where groups of one path needn't be under one controller; SystemError
   */
  create(controller: string): void {
    const [directory] = this.#directories.values();
    if (this.version !== 2 || directory === undefined)
      throw new GuestError("failed-precondition", "control groups of version 2 are needed");
    const above = path.dirname(directory);
    if (!pathExists(above)) new Cgroup(2, new Map([["", above]])).create(controller);
    writeKernelFile(path.join(above, "cgroup.subtree_control"), `+${controller}`);
    makeDirectories(directory);
  }

  /** True when one of its directories is there. */
  exists(): boolean {
    return [...this.#directories.values()].some(pathExists);
  }

  /**
   * The text of a file such as `memory.max`; its controller is the part before the dot. Undefined when there is no such
   * controller, group or file.
   *
   * @throws SystemError
   */
  read(file: string): string | undefined {
    const directory = this.directory(file.slice(0, file.indexOf(".")));
    if (directory === undefined) return undefined;
    return readGone(path.join(directory, file));
  }

  /** Writes a file such as `memory.max`. @throws SystemError, ENOENT also when the controller isn't there */
  write(file: string, text: string): void {
    const directory = this.directory(file.slice(0, file.indexOf(".")));
    if (directory === undefined)
      throw new GuestError("failed-precondition", `cgroup controller of ${file} is not mounted`);
    writeKernelFile(path.join(directory, file), text);
  }

  /** Ids of all processes in it and below; empty when it is gone. */
  processes(): number[] {
    const ids = new Set<number>();
    for (const directory of this.#directories.values())
      for (const group of groupsBelow(directory))
        for (const id of readGone(path.join(group, "cgroup.procs"))?.split("\n") ?? [])
          if (id !== "") ids.add(Number(id));
    // Id 0 stands for a process of another pid namespace, which can't be named here.
    ids.delete(0);
    return [...ids];
  }

  /** Stops all of its processes where they are. Waits until they stand. @throws SystemError, GuestError */
  async freeze(): Promise<void> {
    await this.#setFrozen(true);
  }

  /** Lets frozen processes go on. @throws SystemError, GuestError */
  async thaw(): Promise<void> {
    await this.#setFrozen(false);
  }

  /** True when its processes stand still by {@link freeze}, its own or that of a group above. */
  isFrozen(): boolean {
    if (this.version === 1) return this.read("freezer.state")?.trim() === "FROZEN";
    return keyValue(this.read("cgroup.events"), "frozen") === 1n;
  }

  /**
   * Kills every process in it and below, frozen ones, too. A fork can't outrun it.
   *
   * @returns when all were told; they are gone a moment later
   */
  async killAll(): Promise<void> {
    const unified = this.#directories.get("");
    if (unified !== undefined && pathExists(path.join(unified, "cgroup.kill"))) {
      writeKernelFile(path.join(unified, "cgroup.kill"), "1");
      // A process that stands in a version 1 freezer dies only when it may go on.
      if (this.version === 2) return;
    }
    const freezes = this.#freezerFile() !== undefined;
    if (freezes) await this.freeze();
    try {
      for (const pid of this.processes()) killIfThere(pid);
    } finally {
      if (freezes) await this.thaw();
    }
  }

  /** How many of its processes the kernel has killed for lack of memory; undefined when that isn't known. */
  oomKillCount(): bigint | undefined {
    const text = this.version === 2 ? this.read("memory.events") : this.read("memory.oom_control");
    return keyValue(text, "oom_kill");
  }

  /**
   * Removes it with the groups below. A missing group is fine.
   *
   * @throws SystemError EBUSY when a process is still inside after a second of trying
   */
  async remove(): Promise<void> {
    for (const directory of new Set(this.#directories.values()))
      for (const group of groupsBelow(directory).reverse()) await removeEmptyGroup(group);
  }

  #freezerFile(): string | undefined {
    const directory = this.directory(this.version === 2 ? "" : "freezer");
    if (directory === undefined) return undefined;
    const file = path.join(directory, this.version === 2 ? "cgroup.freeze" : "freezer.state");
    return pathExists(file) ? file : undefined;
  }

  async #setFrozen(frozen: boolean): Promise<void> {
    const file = this.#freezerFile();
    if (file === undefined) throw new GuestError("failed-precondition", "the control group can't be frozen");
    const [stop, go] = this.version === 2 ? ["1", "0"] : ["FROZEN", "THAWED"];
    for (let attempt = 0; attempt < maxFreezeAttempts; attempt++) {
      // Version 1 may give up on processes in the middle of something; writing again makes it go on.
      if (attempt === 0 || (this.version === 1 && attempt % 50 === 0)) writeKernelFile(file, frozen ? stop : go);
      if (this.isFrozen() === frozen || !pathExists(file)) return;
      await delay(freezePollMs);
    }
    throw new GuestError("deadline-exceeded", `the control group could not be ${frozen ? "frozen" : "thawed"}`);
  }
}

const freezePollMs = 2;
const maxFreezeAttempts = 2500;
const maxRemoveAttempts = 100;

/** The number after a key in a file of `key value` lines. */
export function keyValue(text: string | undefined, key: string): bigint | undefined {
  const value = new RegExp(`^${key} (\\d+)$`, "m").exec(text ?? "")?.[1];
  return value === undefined ? undefined : BigInt(value);
}

/** A group's directory and those of all groups below it, the upper ones first. Empty when it is gone. */
function groupsBelow(directory: string, depth = 0): string[] {
  if (depth > maxGroupDepth) return [];
  try {
    const below = fs.readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [directory, ...below.flatMap((entry) => groupsBelow(path.join(directory, entry.name), depth + 1))];
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENODEV")) return [];
    throw error;
  }
}

/** A file of a group; undefined when the file or the group is gone, which reading tells by ENODEV. */
function readGone(file: string): string | undefined {
  try {
    return readFileIfPresent(file, maxKernelFileBytes)?.toString();
  } catch (error) {
    if (isErrno(error, "ENODEV", "ENOTSUP")) return undefined;
    throw error;
  }
}

function killIfThere(pid: number): void {
  try {
    sendSignal(pid, 9);
  } catch (error) {
    if (!isErrno(error, "ESRCH")) throw error;
  }
}

/** Killed processes leave their group a moment after the signal. */
async function removeEmptyGroup(directory: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return asSystemCall(() => fs.rmdirSync(directory));
    } catch (error) {
      if (isErrno(error, "ENOENT")) return;
      if (!isErrno(error, "EBUSY") || attempt === maxRemoveAttempts) throw error;
    }
    await delay(10);
  }
}
