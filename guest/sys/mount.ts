import { GuestError } from "../core/errors.ts";
import { readFileBounded } from "./file.ts";
import { libc, linux } from "./libc.ts";
import { maxKernelFileBytes, maxMountDataBytes, maxMountTableBytes } from "./limits.ts";
import { cString, lastError } from "./system-error.ts";

/** Flags of mount(2). */
export const mountFlags = {
  readonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  synchronous: 16,
  remount: 32,
  mandlock: 64,
  dirsync: 128,
  noatime: 1024,
  nodiratime: 2048,
  bind: 4096,
  move: 8192,
  recursive: 16384,
  silent: 32768,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  relatime: 1 << 21,
  iversion: 1 << 23,
  strictatime: 1 << 24,
  lazytime: 1 << 25,
} as const;

/** What mount(2) gets. */
export interface MountRequest {
  /** Device, directory or a word; absent means none. */
  readonly source?: string | undefined;
  /** Where it appears. A link at the end is followed: for places that others can write, give the `/proc/self/fd/` path of a held descriptor. */
  readonly target: string;
  /** Type of file system; absent for bind, remount and propagation. */
  readonly type?: string | undefined;
  /** A sum of {@link mountFlags}. */
  readonly flags?: number | undefined;
  /** Options of the file system, comma-separated. */
  readonly data?: string | undefined;
}

/**
 * Mounts.
 *
 * @throws SystemError of mount(2); GuestError `invalid-argument` when the data doesn't fit the kernel's page
 */
export function mount(request: MountRequest): void {
  const { source, target, type, flags = 0, data } = request;
  if (data !== undefined && Buffer.byteLength(data) > maxMountDataBytes)
    throw new GuestError("invalid-argument", `mount data is over ${maxMountDataBytes} bytes`);
  const result = libc.mount(
    optionalText(source),
    cString(target, "mount"),
    optionalText(type),
    BigInt(flags),
    optionalText(data === "" ? undefined : data),
  );
  if (result !== 0) throw lastError("mount", target);
}

/**
 * Makes what is at `source` appear at `target`, too.
 *
 * @param options recursive (the default) takes the mounts below along; readonly holds for these, too
 * @throws SystemError of mount(2) or mount_setattr(2); nothing stays mounted then
 */
export function bindMount(
  source: string,
  target: string,
  options: { readonly recursive?: boolean; readonly readonly?: boolean } = {},
): void {
  const { recursive = true, readonly = false } = options;
  mount({ source, target, flags: mountFlags.bind | (recursive ? mountFlags.recursive : 0) });
  if (!readonly) return;
  try {
    setReadonly(target, recursive);
  } catch (error) {
    unmount(target, { lazy: true });
    throw error;
  }
}

/** How a mount hears of mounts made elsewhere, and tells of its own. */
export type MountPropagation = "private" | "shared" | "slave" | "unbindable";

/**
 * Takes a mount away. A link at the end of the path is not followed, unless the path is one of `/proc/self/fd/`.
 *
 * @param options lazy: out of sight at once, gone when nobody uses it any more
 * @throws SystemError of umount2(2); EINVAL when nothing is mounted there
 */
export function unmount(target: string, options: { readonly lazy?: boolean } = {}): void {
  const detach = 2;
  const noFollow = 8;
  const flags = (options.lazy === true ? detach : 0) | (target.startsWith("/proc/self/fd/") ? 0 : noFollow);
  if (libc.umount2(cString(target, "umount"), flags) !== 0) throw lastError("umount", target);
}

/** Options as they are written in mount commands and OCI specifications, for mount(2). */
export interface ParsedMountOptions {
  /** A sum of {@link mountFlags}, without propagation. */
  readonly flags: number;
  /** What the file system itself has to understand, comma-separated. */
  readonly data: string;
  /** To be set by a call of its own after mounting. */
  readonly propagation: { readonly kind: MountPropagation; readonly recursive: boolean } | undefined;
}

const setsFlag: ReadonlyMap<string, number> = new Map([
  ["defaults", 0],
  ["ro", mountFlags.readonly],
  ["nosuid", mountFlags.nosuid],
  ["nodev", mountFlags.nodev],
  ["noexec", mountFlags.noexec],
  ["sync", mountFlags.synchronous],
  ["remount", mountFlags.remount],
  ["mand", mountFlags.mandlock],
  ["dirsync", mountFlags.dirsync],
  ["noatime", mountFlags.noatime],
  ["nodiratime", mountFlags.nodiratime],
  ["bind", mountFlags.bind],
  ["rbind", mountFlags.bind | mountFlags.recursive],
  ["silent", mountFlags.silent],
  ["relatime", mountFlags.relatime],
  ["iversion", mountFlags.iversion],
  ["strictatime", mountFlags.strictatime],
  ["lazytime", mountFlags.lazytime],
]);

const clearsFlag: ReadonlyMap<string, number> = new Map([
  ["rw", mountFlags.readonly],
  ["suid", mountFlags.nosuid],
  ["dev", mountFlags.nodev],
  ["exec", mountFlags.noexec],
  ["async", mountFlags.synchronous],
  ["nomand", mountFlags.mandlock],
  ["atime", mountFlags.noatime],
  ["diratime", mountFlags.nodiratime],
  ["loud", mountFlags.silent],
  ["norelatime", mountFlags.relatime],
  ["noiversion", mountFlags.iversion],
  ["nostrictatime", mountFlags.strictatime],
  ["nolazytime", mountFlags.lazytime],
]);

const propagations: ReadonlyMap<string, MountPropagation> = new Map([
  ["private", "private"],
  ["shared", "shared"],
  ["slave", "slave"],
  ["unbindable", "unbindable"],
]);

/** Splits options into flags, data and propagation. The last word on a flag wins; unknown words are data. */
export function parseMountOptions(options: readonly string[]): ParsedMountOptions {
  let flags = 0;
  let propagation: ParsedMountOptions["propagation"];
  const data: string[] = [];
  for (const option of options) {
    const set = setsFlag.get(option);
    const cleared = clearsFlag.get(option);
    if (set !== undefined) flags |= set;
    else if (cleared !== undefined) flags &= ~cleared;
    else if (propagationOf(option) !== undefined) propagation = propagationOf(option);
    else if (option !== "") data.push(option);
  }
  return { flags, data: data.join(","), propagation };
}

/** The words of mount(8): `private`, and `rprivate` for a mount with those below it. */
function propagationOf(option: string): ParsedMountOptions["propagation"] {
  const own = propagations.get(option);
  if (own !== undefined) return { kind: own, recursive: false };
  const tree = option.startsWith("r") ? propagations.get(option.slice(1)) : undefined;
  return tree === undefined ? undefined : { kind: tree, recursive: true };
}

/** A line of the mount table, proc_pid_mountinfo(5). */
export interface MountEntry {
  readonly id: number;
  readonly parent: number;
  /** `major:minor` */
  readonly device: string;
  /** The directory of the file system that is seen at the mount point. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/**
 * Reads the mounts that this process sees, in the kernel's order: of two at the same place the later one is on top.
 *
 * @throws SystemError when the table can't be read
 */
export function readMountTable(path = "/proc/self/mountinfo"): MountEntry[] {
  return parseMountTable(readFileBounded(path, maxMountTableBytes).toString());
}

/** Parses the text of a mountinfo file. Lines that are not understood are left out. */
export function parseMountTable(text: string): MountEntry[] {
  return text.split("\n").flatMap((line) => {
    const [before, after] = line.split(" - ");
    const [id, parent, device, root, mountPoint, options] = before?.split(" ") ?? [];
    const [type, source, superOptions] = after?.split(" ") ?? [];
    if (mountPoint === undefined || device === undefined || root === undefined || type === undefined) return [];
    return {
      id: Number(id),
      parent: Number(parent),
      device,
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      options: options?.split(",") ?? [],
      type,
      source: unescapeOctal(source ?? ""),
      superOptions: superOptions?.split(",") ?? [],
    };
  });
}

/** True when something is mounted exactly there. The path is compared as text: no links, no `..`, no slash at the end. */
export function isMountPoint(path: string, table: readonly MountEntry[] = readMountTable()): boolean {
  return table.some((entry) => entry.mountPoint === path);
}

/** The mount that an open file or directory (O_PATH counts) is in; undefined when the table doesn't have it. */
export function mountOf(fd: number, table: readonly MountEntry[] = readMountTable()): MountEntry | undefined {
  const information = readFileBounded(`/proc/self/fdinfo/${fd}`, maxKernelFileBytes).toString();
  const id = /^mnt_id:\s*(\d+)$/m.exec(information)?.[1];
  return table.find((entry) => String(entry.id) === id);
}

/** The kernel writes space, tab, newline, backslash and `#` as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function optionalText(text: string | undefined): string | Uint8Array | null {
  return text === undefined ? null : cString(text, "mount");
}

/** Sets read-only on a mount and, if told so, on those below (struct mount_attr: four u64: set, clear, propagation, userns). */
function setReadonly(target: string, recursive: boolean): void {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(1n, 0);
  const flags = recursive ? linux.AT_RECURSIVE : 0;
  if (libc.mount_setattr(linux.AT_FDCWD, cString(target, "mount_setattr"), flags, attributes, 32n) !== 0)
    throw lastError("mount_setattr", target);
}
