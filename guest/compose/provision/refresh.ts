import { join } from "node:path";
import { maxUserDataBytes } from "../../initdata/user-data/limits.ts";
import { readFileIfPresent } from "../../sys/file.ts";
import type { DaemonContext, StartDaemon } from "../daemon.ts";
import { applyMeasuredSettings } from "../measured-settings.ts";
import { loadProvisionedInitdata, provisionedFiles } from "../provisioned-files.ts";
import { replaceFile } from "./files.ts";
import { type HostFile, obtainHostFiles } from "./host-files.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { obtainUserDataFrom } from "./user-data.ts";

const maxSourceBytes = 4096;

/**
 * Brings what the worker has renewed to a VM that runs: asks the same source for user data again and replaces `apf.json` and
 * `auth.json`, checked as at the start. Nothing else of changed user data is looked at (threat model row 90): initdata, and all that
 * comes from it, stays what was measured. When anything is wrong both files stay as they are.
 *
 * @throws GuestError naming source, file and key; `failed-precondition` when provisioning has not succeeded
 */
export const refresh: StartDaemon = (context) => refreshOn(thisMachine, context);

/** As {@link refresh}, on a machine of the caller's. */
export async function refreshOn(
  machine: Machine,
  { configuration: image, log, scope }: Omit<DaemonContext, "notice">,
): Promise<void> {
  const { directory } = image.provision;
  const configuration = applyMeasuredSettings(image, loadProvisionedInitdata(directory));
  const source = readFileIfPresent(join(directory, provisionedFiles.userDataSource), maxSourceBytes)?.toString("utf8");
  if (source === undefined) {
    log.info("nothing to refresh: this machine was started without user data");
    return;
  }
  const userData = await obtainUserDataFrom(source, configuration, machine, { log, signal: scope.signal });
  const changed = obtainHostFiles(configuration, userData).filter(isChanged);
  for (const { path, content } of changed) replaceFile(path, content);
  log.info("refreshed from user data", { source, replaced: changed.map(({ path }) => path) });
}

function isChanged({ path, content, isDelivered }: HostFile): boolean {
  return isDelivered && readFileIfPresent(path, maxUserDataBytes)?.toString("utf8") !== content;
}
