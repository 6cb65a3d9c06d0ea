import { describeFailure, GuestError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Unsealer } from "./dependencies.ts";
import { maxUnsealedBytes } from "./limits.ts";

/**
 * Opens the sealed values of a container's environment (spec/agent-rpc.md 12.2): `NAME=sealed.…` becomes `NAME=<plaintext>`.
 *
 * @param env entries with a name and `=`
 * @param options strict: a value that cannot be opened fails the container; else it stays sealed and the log says so
 * @returns a new list; without an unsealer the same entries
 * @throws GuestError `internal` in strict mode, naming the variable and never its value
 */
export async function unsealEnvironment(
  env: readonly string[],
  unsealer: Unsealer | undefined,
  options: { readonly strict: boolean; readonly log: Log; readonly signal: AbortSignal },
): Promise<string[]> {
  return await Promise.all(env.map((entry) => unsealEntry(entry, unsealer, options)));
}

async function unsealEntry(
  entry: string,
  unsealer: Unsealer | undefined,
  { strict, log, signal }: { readonly strict: boolean; readonly log: Log; readonly signal: AbortSignal },
): Promise<string> {
  const equals = entry.indexOf("=");
  const name = entry.slice(0, equals);
  const value = entry.slice(equals + 1);
  if (!value.startsWith("sealed.")) return entry;
  try {
    if (unsealer === undefined) throw new GuestError("unavailable", "there is no data hub");
    return `${name}=${plaintextOf(await unsealer.unsealSecret(value, signal))}`;
  } catch (error) {
    if (strict) throw new GuestError("internal", `sealed secret in ${name} cannot be opened`, { cause: error });
    log.warn("sealed secret stays sealed", { variable: name, error: describeFailure(error) });
    return entry;
  }
}

function plaintextOf(bytes: Uint8Array): string {
  try {
    if (bytes.byteLength > maxUnsealedBytes) throw new GuestError("resource-exhausted", "secret is too long");
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (text.includes("\0")) throw new GuestError("internal", "secret has a zero byte");
    return text;
  } finally {
    bytes.fill(0);
  }
}
