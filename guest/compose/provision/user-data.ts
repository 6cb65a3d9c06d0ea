import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { decodeUtf8 } from "../../core/utf8.ts";
import { parseCloudConfig } from "../../initdata/user-data/cloud-config.ts";
import { isCloudName } from "../../initdata/user-data/clouds.ts";
import { type DeliveredFiles, sortDelivered } from "../../initdata/user-data/delivered-files.ts";
import { detectCloud } from "../../initdata/user-data/detect.ts";
import { fetchUserData } from "../../initdata/user-data/fetch.ts";
import type { UserDataSource } from "../../initdata/user-data/source.ts";
import { UserDataError } from "../../initdata/user-data/user-data-error.ts";
import { pathExists } from "../../sys/file.ts";
import { HttpClient } from "../../sys/http-client.ts";
import { needsApfFile } from "../apf-file.ts";
import type { Configuration, ProvisionConfiguration } from "../configuration.ts";
import { awaitedCidata, findCidata } from "./cidata.ts";
import type { Machine } from "./machine.ts";

/** User data and where it came from. */
export interface UserData {
  /** Name of a cloud, or path of a file or disk. */
  readonly source: string;
  /** For people. */
  readonly origin: string;
  readonly files: DeliveredFiles;
}

/** Who is told how it goes, and who ends it. */
export interface FetchReports {
  readonly log: Log;
  /** Told once when it takes long; later than that nobody would look at the console any more (scenario A12). */
  readonly notice?: ((line: string) => void) | undefined;
  readonly signal: AbortSignal;
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
  { log, notice, signal }: FetchReports,
): Promise<UserData | undefined> {
  const source = chooseSource(configuration, machine, log);
  if (source === undefined) return undefined;
  log.info("user data", { source: source.name });
  const userData = await readUserData(source, configuration.provision, machine, { log, notice, signal });
  for (const refused of userData.files.refused) log.warn("user data: file not taken", refused);
  return userData;
}

/**
 * Gets user data from where it came from at the start.
 *
 * @param name {@link UserData.source} of then
 * @throws UserDataError for user data that can't be used; GuestError `unavailable` when there is none in time
 */
export async function obtainUserDataFrom(
  name: string,
  { provision }: Configuration,
  machine: Machine,
  reports: FetchReports,
): Promise<UserData> {
  const cidata = { file: provision.cidata, deviceDirectory: machine.deviceDirectory };
  const source = isCloudName(name) ? machine.cloudSource(name) : awaitedCidata(cidata, reports.log);
  return readUserData(source, provision, machine, reports);
}

async function readUserData(
  source: UserDataSource,
  configuration: ProvisionConfiguration,
  machine: Machine,
  reports: FetchReports,
): Promise<UserData> {
  const origin = `user data (${source.name})`;
  try {
    const document = await fetchFrom(source, configuration, machine, reports);
    return { source: source.name, origin, files: sortDelivered(parseCloudConfig(decodeDocument(document))) };
  } catch (cause) {
    if (!(cause instanceof UserDataError)) throw cause;
    throw new GuestError("invalid-argument", `${origin} can't be used`, { cause });
  }
}

function decodeDocument(document: Uint8Array): string {
  const isGzip = document[0] === 0x1f && document[1] === 0x8b;
  if (isGzip) throw new UserDataError("it is gzip; a cloud-config in plain text is expected");
  try {
    return decodeUtf8(document, "the document");
  } catch (cause) {
    throw new UserDataError("the document is not valid UTF-8", cause);
  }
}

/**
 * By the configuration, or in the order of the reference: a cidata disk, what cloud-init has written already (IBM), the cloud's
 * metadata service. Where nothing of that is there and the agent can't do without, the disk must be late.
 */
function chooseSource({ provision, agent }: Configuration, machine: Machine, log: Log): UserDataSource | undefined {
  const { source, initdata } = provision;
  const cidata = { file: provision.cidata, deviceDirectory: machine.deviceDirectory };
  if (source === "cidata") {
    if (cidata.file === "")
      throw new GuestError(
        "invalid-argument",
        "configuration key provision.cidata: it is empty, and cidata is the source",
      );
    return findCidata(cidata, log) ?? awaitedCidata(cidata, log);
  }
  if (isCloudName(source)) return machine.cloudSource(source);
  if (source !== "auto") return undefined;
  const found = findCidata(cidata, log);
  if (found !== undefined) return found;
  if (initdata !== "" && pathExists(initdata)) return undefined;
  const cloud = detectCloud(machine.identity());
  if (cloud !== undefined) return machine.cloudSource(cloud);
  const isNeeded = needsApfFile(agent) && !pathExists(agent.apfFile);
  return isNeeded && cidata.file !== "" ? awaitedCidata(cidata, log) : undefined;
}

async function fetchFrom(
  source: UserDataSource,
  { timeoutSeconds }: ProvisionConfiguration,
  { clock }: Machine,
  { log, notice, signal }: FetchReports,
): Promise<Uint8Array> {
  if (!(timeoutSeconds > 0 && timeoutSeconds <= maxTimeoutSeconds)) {
    const problem = `configuration key provision.timeout_seconds: it takes more than 0, at most ${maxTimeoutSeconds}`;
    throw new GuestError("invalid-argument", problem);
  }
  const http = new HttpClient();
  try {
    return await fetchUserData(
      source,
      { http, log, signal },
      { deadlineMs: timeoutSeconds * 1000, clock, onLate: notice },
    );
  } finally {
    http.close();
  }
}
