import { GuestError } from "../core/errors.ts";
import { isContainerId } from "../policy/container-id.ts";
import type { CreateSandboxRequest } from "../rpc/messages/agent.ts";
import { refusal } from "./errors.ts";
import { maxDnsLineLength, maxDnsLines, maxHostnameLength, maxStorages } from "./limits.ts";

/** Any character of a name may come last: shims cut names that are too long for Linux. */
const hostnamePattern = /^[a-zA-Z0-9][a-zA-Z0-9._-]*$/u;

/**
 * Checks a CreateSandbox request. Pure. Hooks and kernel modules are refused whatever the policy says (threats 33, 34), names and
 * resolver lines must be what they claim to be (threat 36).
 *
 * @throws GuestError `permission-denied` or `invalid-argument`
 */
export function checkSandboxRequest(request: CreateSandboxRequest): void {
  if (request.guest_hook_path !== "") throw refusal("guest hooks are not allowed");
  if (request.kernel_modules.length > 0) throw refusal("kernel modules are not allowed");
  if (request.sandbox_id !== "" && !isContainerId(request.sandbox_id)) throw malformed("sandbox id");
  if (request.hostname !== "" && !isHostname(request.hostname)) throw malformed("hostname");
  if (request.storages.length > maxStorages) throw malformed("list of storages");
  if (request.dns.length > maxDnsLines || !request.dns.every(isResolverLine)) throw malformed("dns entry");
}

function isHostname(name: string): boolean {
  return name.length <= maxHostnameLength && hostnamePattern.test(name);
}

/** Shims send the lines of the pod's resolv.conf. One entry is one line of printable characters. */
function isResolverLine(line: string): boolean {
  return line.length <= maxDnsLineLength && /^[\t\x20-\x7e]*$/u.test(line);
}

function malformed(what: string): GuestError {
  return new GuestError("invalid-argument", `${what} is malformed`);
}
