import type { LinuxSeccomp, LinuxSyscall } from "../../rpc/messages/oci.ts";
import { maxListEntries } from "../limits.ts";
import type { OciSeccomp, OciSyscallRule } from "../oci-spec.ts";
import { invalidSpec } from "./spec-error.ts";

/**
 * A seccomp profile in OCI form. An error number that the request leaves open stays open: written as 0, a denied system call
 * would look as if it had worked (spec/agent-rpc.md 17, row 10).
 */
export function convertSeccomp(seccomp: LinuxSeccomp): OciSeccomp {
  if (seccomp.Syscalls.length > maxListEntries) throw invalidSpec(`more than ${maxListEntries} seccomp rules`);
  return {
    defaultAction: seccomp.DefaultAction,
    architectures: seccomp.Architectures.length === 0 ? undefined : seccomp.Architectures,
    flags: seccomp.Flags.length === 0 ? undefined : seccomp.Flags,
    syscalls: seccomp.Syscalls.map(convertRule),
  };
}

function convertRule(rule: LinuxSyscall): OciSyscallRule {
  return {
    names: rule.Names,
    action: rule.Action,
    errnoRet: rule.errnoret ?? undefined,
    args: rule.Args.map((argument) => ({
      index: argument.Index,
      value: argument.Value,
      valueTwo: argument.ValueTwo,
      op: argument.Op,
    })),
  };
}
