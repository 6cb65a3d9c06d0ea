import { dirname } from "node:path";
import { GuestError, messageOf } from "../../core/errors.ts";
import type { ResourceProvider } from "../../kbs/index.ts";
import { makeDirectories, writeFileAtomically } from "../../sys/file.ts";
import type { CredentialFile } from "../config/data-hub-config.ts";

/** Only root reads credentials; the reference leaves that to the umask. */
const fileMode = 0o600;
const directoryMode = 0o700;

/**
 * Fetches the configured resources and writes each to its file, before the data hub serves (spec/cdh.md 6). Later entries for the
 * same path win.
 *
 * @throws GuestError `failed-precondition` that names the path; what was written before stays
 */
export async function writeCredentialFiles(
  credentials: readonly CredentialFile[],
  resources: ResourceProvider,
  signal: AbortSignal,
): Promise<void> {
  for (const { path, resource } of credentials) {
    try {
      const content = await resources.getResource(resource, signal);
      makeDirectories(dirname(path), directoryMode);
      writeFileAtomically(path, content, fileMode);
    } catch (cause) {
      throw new GuestError("failed-precondition", `credential ${path}: ${messageOf(cause)}`, { cause });
    }
  }
}
