import { GuestError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { decodeUtf8 } from "../core/utf8.ts";
import { parseCloudConfig } from "../initdata/user-data/cloud-config.ts";
import { isCloudName } from "../initdata/user-data/clouds.ts";
import { type DeliveredFiles, sortDelivered } from "../initdata/user-data/delivered-files.ts";
import { detectCloud } from "../initdata/user-data/detect.ts";
import { fetchUserData } from "../initdata/user-data/fetch.ts";
import type { UserDataSource } from "../initdata/user-data/source.ts";
import { pathExists } from "../sys/file.ts";
import { HttpClient } from "../sys/http-client.ts";
import type { Configuration, ProvisionConfiguration } from "./configuration.ts";
import { awaitedCidata, findCidata } from "./provision-cidata.ts";
import type { Machine } from "./provision-machine.ts";

/** User data and where it came from. */
export interface UserData {
  /** Name of a cloud, or path of a file or disk. */
  readonly source: string;
  /** For people. */
  readonly origin: string;
  readonly files: DeliveredFiles;
}

const maxTimeoutSeconds = 3600;

/**
 * Gets the VM's user data (spec/userdata.md 3), and writes nothing of it.
 *
 * @returns undefined when this machine has no source of user data
 * @throws UserDataError for user data that can't be used; GuestError `unavailable` when there is none in time
 */
export async function obtainUserData(
  configuration: Configuration,
  machine: Machine,
  log: Log,
  signal: AbortSignal,
): Promise<UserData | undefined> {
  const source = chooseSource(configuration, machine, log);
  if (source === undefined) return undefined;
  log.info("user data", { source: source.name });
  const document = await fetchFrom(source, configuration.provision, machine, log, signal);
  const files = sortDelivered(parseCloudConfig(decodeUtf8(document, "user data")));
  for (const refused of files.refused) log.warn("user data: file not taken", refused);
  return { source: source.name, origin: `user data (${source.name})`, files };
}

/**
 * By the configuration, or in the order of the reference: a cidata disk, what cloud-init has written already (IBM), the cloud's
 * metadata service. Where nothing of that is there and the agent can't do without, the disk must be late.
 */
function chooseSource({ provision, agent }: Configuration, machine: Machine, log: Log): UserDataSource | undefined {
  const { source, initdata } = provision;
  const cidata = { file: provision.cidata, deviceDirectory: machine.deviceDirectory };
  if (source === "cidata") return findCidata(cidata, log) ?? awaitedCidata(cidata, log);
  if (isCloudName(source)) return machine.cloudSource(source);
  if (source !== "auto") return undefined;
  const found = findCidata(cidata, log);
  if (found !== undefined) return found;
  if (initdata !== "" && pathExists(initdata)) return undefined;
  const cloud = detectCloud(machine.identity());
  if (cloud !== undefined) return machine.cloudSource(cloud);
  const isNeeded = agent.tls === "required" && !pathExists(agent.apfFile);
  return isNeeded && cidata.file !== "" ? awaitedCidata(cidata, log) : undefined;
}

async function fetchFrom(
  source: UserDataSource,
  { timeoutSeconds }: ProvisionConfiguration,
  { clock }: Machine,
  log: Log,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (!(timeoutSeconds > 0 && timeoutSeconds <= maxTimeoutSeconds)) {
    const problem = `configuration key provision.timeout_seconds: it takes more than 0, at most ${maxTimeoutSeconds}`;
    throw new GuestError("invalid-argument", problem);
  }
  const http = new HttpClient();
  try {
    return await fetchUserData(source, { http, log, signal }, { deadlineMs: timeoutSeconds * 1000, clock });
  } finally {
    http.close();
  }
}
