import fs from "node:fs";
import os from "node:os";
import { libc } from "./libc.ts";
import { mount, mountFlags, unmount } from "./mount.ts";
import { asSystemCall, cString, isErrno, lastError } from "./system-error.ts";

/** The kinds of namespaces that a thread of a multi-threaded program may enter and leave. */
export type NamespaceKind = "ipc" | "uts" | "net";

const cloneFlags: Readonly<Record<NamespaceKind, number>> = { uts: 0x04000000, ipc: 0x08000000, net: 0x40000000 };

/**
 * Makes a namespace that lives on without processes, bound to a file.
 *
 * @param path the file; made when missing
 * @param setUp runs inside, synchronously, before anybody else can see the namespace
 * @throws SystemError, or what setUp throws; no namespace and no file stays behind then
 */
export function createPersistentNamespace(kind: NamespaceKind, path: string, setUp: () => void = () => {}): void {
  asSystemCall(() => fs.closeSync(fs.openSync(path, "wx", 0o444)));
  try {
    const enter = (): void => {
      if (libc.unshare(cloneFlags[kind]) !== 0) throw lastError("unshare");
    };
    enterAndReturn(kind, enter, () => {
      setUp();
      mount({ source: `/proc/thread-self/ns/${kind}`, target: path, flags: mountFlags.bind });
    });
  } catch (error) {
    fs.rmSync(path, { force: true });
    throw error;
  }
}

/** Lets go of a namespace; it ends when no process is in it any more. A missing file is fine. @throws SystemError */
export function removePersistentNamespace(path: string): void {
  try {
    unmount(path, { lazy: true });
  } catch (error) {
    if (!isErrno(error, "EINVAL", "ENOENT")) throw error;
  }
  asSystemCall(() => fs.rmSync(path, { force: true }));
}

/**
 * Runs something inside a namespace on this thread. It has to be synchronous: whatever runs meanwhile would be in the
 * namespace, too.
 *
 * @param path the namespace, such as `/run/netns/podns` or `/proc/1/ns/net`
 * @throws SystemError, or what the action throws
 */
export function inNamespace<T>(kind: NamespaceKind, path: string, action: () => T): T {
  const fd = asSystemCall(() => fs.openSync(path, fs.constants.O_RDONLY));
  try {
    const enter = (): void => {
      if (libc.setns(fd, cloneFlags[kind]) !== 0) throw lastError("setns", path);
    };
    return enterAndReturn(kind, enter, action);
  } finally {
    fs.closeSync(fd);
  }
}

/** Sets the host name of the UTS namespace that this thread is in. @throws SystemError */
export function setHostname(name: string): void {
  const bytes = Buffer.from(name);
  if (libc.sethostname(cString(bytes, "sethostname"), BigInt(bytes.length)) !== 0) throw lastError("sethostname");
}

/** A number that names a namespace on this machine, whatever its path. @throws SystemError */
export function namespaceInode(path: string): bigint {
  return asSystemCall(() => fs.statSync(path, { bigint: true })).ino;
}

/** Runs something in the namespace that `enter` takes this thread to, and takes it back. When `enter` throws it has not left. */
function enterAndReturn<T>(kind: NamespaceKind, enter: () => void, action: () => T): T {
  const home = asSystemCall(() => fs.openSync(`/proc/thread-self/ns/${kind}`, fs.constants.O_RDONLY));
  try {
    enter();
    try {
      const result = action();
      if (result instanceof Promise) throw new TypeError("what runs in a namespace must be synchronous");
      return result;
    } finally {
      // A thread that can't go home would serve requests in a namespace of the workload: no program is better than that.
      if (libc.setns(home, cloneFlags[kind]) !== 0) process.kill(process.pid, os.constants.signals.SIGKILL);
    }
  } finally {
    fs.closeSync(home);
  }
}
