import { dirname } from "node:path";
import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { makeDirectories, pathExists } from "../../sys/file.ts";
import { bringLoopbackUp } from "../../sys/loopback.ts";
import { createPersistentNamespace } from "../../sys/namespace.ts";
import type { Configuration } from "../configuration.ts";
import type { DaemonContext, StartDaemon } from "../daemon.ts";
import { clearHubFailure } from "../hub-failure.ts";
import { applyMeasuredSettings } from "../measured-settings.ts";
import { writeProvisionedFiles } from "./files.ts";
import { obtainHostFiles } from "./host-files.ts";
import { obtainInitdata } from "./initdata.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { measureInitdata } from "./measurement.ts";
import { reportReadiness } from "./readiness.ts";
import { requireVerifiedRoot } from "./root.ts";
import { provideStorage } from "./storage.ts";
import { obtainUserData } from "./user-data.ts";

/**
 * Gets user data and initdata, verifies all of it, measures the initdata, makes the pod's storage and network namespace, and writes
 * what the daemons need. Starts nothing; when anything is wrong nothing is written.
 *
 * @throws GuestError naming the key, host or file at fault
 */
export const provision: StartDaemon = (context) => provisionOn(thisMachine, context);

/** As {@link provision}, on a machine of the caller's. */
export async function provisionOn(
  machine: Machine,
  { configuration, log, notice, scope, onApfFile }: DaemonContext,
): Promise<void> {
  const settings = configuration.provision;
  clearHubFailure(configuration);
  requireVerifiedRoot(settings, machine);
  const userData = await obtainUserData(configuration, machine, { log, notice, signal: scope.signal });
  if (userData?.files.forwarderConfiguration !== undefined) onApfFile?.(userData.files.forwarderConfiguration);
  const initdata = obtainInitdata(settings, userData, machine.deviceDirectory, log);
  const hostFiles = obtainHostFiles(applyMeasuredSettings(configuration, initdata), userData);
  await measureInitdata(initdata, settings, machine, { log, notice });
  await provideStorage({ configuration, initdata, userData, log, signal: scope.signal });
  makePodNetworkNamespace(configuration, log);
  writeProvisionedFiles(settings.directory, { initdata, hostFiles, userData });
  if (userData?.source === "azure") await reportReadiness(machine, log, scope.signal);
}

function makePodNetworkNamespace({ agent }: Configuration, log: Log): void {
  const path = agent.networkNamespace;
  if (path === "") return;
  try {
    if (pathExists(path)) return;
    makeDirectories(dirname(path));
    createPersistentNamespace("net", path, bringLoopbackUp);
  } catch (cause) {
    throw new GuestError("failed-precondition", `the pod's network namespace ${path} can't be made`, { cause });
  }
  log.info("pod network namespace made", { path });
}
