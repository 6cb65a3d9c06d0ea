import { GuestError } from "../../core/errors.ts";
import { parseResourceUri } from "../../kbs/index.ts";
import { type UnsealOptions, unseal } from "../sealed-secret/unseal.ts";
import { maxKeyBytes } from "./limits.ts";

/**
 * Fetches a volume's key: from a sealed secret or the key broker (spec/secure-mount.md 2.1). Every byte counts, a newline at the end
 * included. No `file://`: which file of the guest is used as a key would be the host's choice.
 *
 * @returns the only copy, to be wiped
 * @throws GuestError
 */
export async function fetchVolumeKey(key: string, sources: UnsealOptions, signal: AbortSignal): Promise<Uint8Array> {
  const bytes = await getKey(key, sources, signal);
  if (bytes.byteLength > 0 && bytes.byteLength <= maxKeyBytes) return bytes;
  bytes.fill(0);
  throw new GuestError("failed-precondition", "SecureMount: the key is empty or too long");
}

function getKey(key: string, sources: UnsealOptions, signal: AbortSignal): Promise<Uint8Array> {
  if (key.startsWith("sealed.")) return unseal(Buffer.from(key), sources, signal);
  if (/^kbs[+:]/.test(key)) return sources.resources.getResource(parseResourceUri(key), signal);
  throw new GuestError("invalid-argument", "SecureMount: a key is a kbs:// URI or a sealed secret");
}
