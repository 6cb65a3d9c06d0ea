import { posix } from "node:path";
import { GuestError } from "../core/errors.ts";
import { changeDescriptorMode, closeDescriptor, readDescriptorBounded, writeDescriptor } from "../sys/descriptor.ts";
import { Directory } from "../sys/directory.ts";
import { readFileIfPresent } from "../sys/file.ts";
import { isErrno } from "../sys/system-error.ts";
import { maxPauseFileBytes } from "./limits.ts";
import type { OciCapabilities, OciProcess } from "./oci-spec.ts";

/**
 * The process of the pause bundle that the image ships: it takes the place of the one that the host asks for in the sandbox
 * container (spec/agent-rpc.md 9.4). Its config.json is measured with the image and an OCI configuration.
 *
 * @throws GuestError `internal` when there is no bundle or it is malformed
 */
export function readPauseProcess(pauseBundle: string): OciProcess {
  const text = readFileIfPresent(posix.join(pauseBundle, "config.json"), maxPauseFileBytes);
  if (text === undefined) throw missingPause();
  const process: unknown = memberOf(JSON.parse(text.toString()), "process");
  const user = memberOf(process, "user");
  return {
    terminal: false,
    user: { uid: Number(memberOf(user, "uid") ?? 0), gid: Number(memberOf(user, "gid") ?? 0) },
    args: nonEmpty(stringsOf(memberOf(process, "args"))),
    env: stringsOf(memberOf(process, "env")),
    cwd: String(memberOf(process, "cwd") ?? "/"),
    capabilities: capabilitiesOf(memberOf(process, "capabilities")),
    noNewPrivileges: true,
  };
}

/**
 * Makes the pause container's root file system: the one program that its process names.
 *
 * @param rootfs directory that exists
 */
export function copyPauseProgram(pauseBundle: string, rootfs: string): void {
  const program = (readPauseProcess(pauseBundle).args[0] ?? "").replace(/^\/+/u, "");
  const bytes = readProgram(posix.join(pauseBundle, "rootfs"), program);
  using target = Directory.open(rootfs);
  if (program.includes("/")) target.makeDirectories(posix.dirname(program));
  const fd = target.createFile(program);
  try {
    writeDescriptor(fd, bytes);
    changeDescriptorMode(fd, 0o755);
  } finally {
    closeDescriptor(fd);
  }
}

function readProgram(directory: string, program: string): Buffer {
  try {
    using source = Directory.open(directory, { symlinks: "beneath" });
    const fd = source.openFile(program);
    try {
      return readDescriptorBounded(fd, maxPauseFileBytes);
    } finally {
      closeDescriptor(fd);
    }
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) throw missingPause(error);
    throw error;
  }
}

function missingPause(cause?: unknown): GuestError {
  return new GuestError("internal", "Pause image not present in rootfs", { cause });
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function nonEmpty(args: string[]): string[] {
  if (args.length === 0) throw new GuestError("internal", "the pause bundle names no program");
  return args;
}

function capabilitiesOf(value: unknown): OciCapabilities {
  const set = (name: string): string[] => stringsOf(memberOf(value, name));
  return {
    bounding: set("bounding"),
    effective: set("effective"),
    inheritable: set("inheritable"),
    permitted: set("permitted"),
    ambient: set("ambient"),
  };
}
