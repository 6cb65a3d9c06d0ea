import type { LinuxCapabilities, POSIXRlimit, Process } from "../../rpc/messages/oci.ts";
import { maxListEntries } from "../limits.ts";
import type { OciCapabilities, OciProcess, OciRlimit } from "../oci-spec.ts";
import { invalidSpec } from "./spec-error.ts";

/**
 * Turns the protocol's process into the OCI form (spec/agent-rpc.md 11.5).
 *
 * Zero, "" and [] mean "absent", since proto3 cannot say it otherwise. AppArmor profiles are dropped as in the reference.
 * Environment entries without a name or without `=` are dropped; values stay as they are, white space included.
 *
 * @throws GuestError `internal` when it has no arguments, a relative working directory or values out of range
 */
export function convertProcess(process: Process): OciProcess {
  requireShortLists(process);
  if (process.Args.length === 0 || process.Args[0] === "") throw invalidSpec("process has no arguments");
  if (!process.Cwd.startsWith("/")) throw invalidSpec("process working directory is not absolute");
  return {
    terminal: process.Terminal,
    consoleSize: consoleSizeOf(process),
    user: userOf(process),
    args: process.Args.map(withoutNul),
    env: process.Env.filter((entry) => entry.indexOf("=") > 0).map(withoutNul),
    cwd: withoutNul(process.Cwd),
    capabilities: process.Capabilities === null ? undefined : convertCapabilities(process.Capabilities),
    rlimits: process.Rlimits.length === 0 ? undefined : process.Rlimits.map(convertRlimit),
    noNewPrivileges: process.NoNewPrivileges,
    oomScoreAdj: oomScoreOf(process.OOMScoreAdj),
    selinuxLabel: process.SelinuxLabel === "" ? undefined : process.SelinuxLabel,
  };
}

/**
 * The process file of an exec: resource limits and OOM score are the container's, and so are the capabilities when the request
 * names none (spec/agent-rpc.md 6.1). No new privileges for the container means none for an exec, whatever the request says: shims in
 * Go never ask for it, so a policy can't demand it of them.
 */
export function convertExecProcess(process: Process, container: OciProcess): OciProcess {
  const converted = convertProcess(process);
  return {
    ...converted,
    capabilities: converted.capabilities ?? container.capabilities,
    rlimits: container.rlimits,
    noNewPrivileges: container.noNewPrivileges || converted.noNewPrivileges,
    oomScoreAdj: container.oomScoreAdj,
  };
}

function requireShortLists(process: Process): void {
  for (const list of [process.Args, process.Env, process.Rlimits, process.User?.AdditionalGids ?? []]) {
    if (list.length > maxListEntries) throw invalidSpec(`process has a list of more than ${maxListEntries} entries`);
  }
}

function withoutNul(text: string): string {
  if (text.includes("\0")) throw invalidSpec("process has a zero byte in an argument, variable or directory");
  return text;
}

function consoleSizeOf(process: Process): OciProcess["consoleSize"] {
  if (!process.Terminal || process.ConsoleSize === null) return undefined;
  return { height: process.ConsoleSize.Height & 0xffff, width: process.ConsoleSize.Width & 0xffff };
}

function userOf({ User: user }: Process): OciProcess["user"] {
  if (user === null) return { uid: 0, gid: 0 };
  return {
    uid: user.UID,
    gid: user.GID,
    additionalGids: user.AdditionalGids.length === 0 ? undefined : user.AdditionalGids,
  };
}

function convertCapabilities(capabilities: LinuxCapabilities): OciCapabilities {
  return {
    bounding: capabilities.Bounding,
    effective: capabilities.Effective,
    inheritable: capabilities.Inheritable,
    permitted: capabilities.Permitted,
    ambient: capabilities.Ambient,
  };
}

function convertRlimit(limit: POSIXRlimit): OciRlimit {
  return { type: limit.Type, hard: limit.Hard, soft: limit.Soft };
}

/** Always said: a process would inherit the agent's otherwise, and be spared by the kernel as the agent is. */
function oomScoreOf(score: bigint): number {
  if (score < -1000n || score > 1000n) throw invalidSpec("OOMScoreAdj is not between -1000 and 1000");
  return Number(score);
}
