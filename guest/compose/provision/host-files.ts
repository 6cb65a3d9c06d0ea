import { join } from "node:path";
import { GuestError } from "../../core/errors.ts";
import { decodeUtf8 } from "../../core/utf8.ts";
import { maxUserDataBytes } from "../../initdata/user-data/limits.ts";
import { parsePodNetworkConfiguration } from "../../network/pod-network-configuration.ts";
import { parseCredentials } from "../../oci/registry/credentials.ts";
import { readFileIfPresent } from "../../sys/file.ts";
import { needsApfFile, parseApfFile } from "../apf-file.ts";
import type { AgentConfiguration, Configuration } from "../configuration.ts";
import { provisionedFiles } from "../provisioned-files.ts";
import { checkApfTls } from "../tls-material.ts";
import type { UserData } from "./user-data.ts";

/** A file of the host's, checked. */
export interface HostFile {
  readonly path: string;
  readonly content: string;
  /** False: cloud-init has written it already. */
  readonly isDelivered: boolean;
}

/**
 * The files that the host brings and nothing measures: `apf.json` and `auth.json`, from user data or there already. Each is
 * checked as its reader will read it, so that a wrong one stops the start here, with its name (threat model rows 84 and 122).
 *
 * @throws GuestError naming the file, where it is from and the key; `failed-precondition` when port 15150 needs an `apf.json` and
 *   there is none
 */
export function obtainHostFiles({ agent, provision }: Configuration, userData: UserData | undefined): HostFile[] {
  const apf = obtain(agent.apfFile, userData?.files.forwarderConfiguration, userData, (text) => checkApf(text, agent));
  if (apf === undefined && needsApfFile(agent)) {
    const from = userData === undefined ? "this machine has no user data" : `${userData.origin} does not bring it`;
    const problem = `no ${agent.apfFile}: ${from}, and port 15150 requires its TLS material (agent.tls)`;
    throw new GuestError("failed-precondition", problem);
  }
  const credentialsFile = join(provision.directory, provisionedFiles.registryCredentials);
  const credentials = obtain(credentialsFile, userData?.files.registryCredentials, userData, (text) => {
    parseCredentials(Buffer.from(text));
  });
  return [apf, credentials].filter((file) => file !== undefined);
}

function obtain(
  path: string,
  delivered: string | undefined,
  userData: UserData | undefined,
  check: (text: string) => void,
): HostFile | undefined {
  const origin = delivered !== undefined && userData !== undefined ? userData.origin : "the file that is there";
  try {
    const content = delivered ?? readText(path);
    if (content === undefined) return undefined;
    check(content);
    return { path, content, isDelivered: delivered !== undefined };
  } catch (cause) {
    throw new GuestError("invalid-argument", `${path} can't be used (${origin})`, { cause });
  }
}

function readText(path: string): string | undefined {
  const bytes = readFileIfPresent(path, maxUserDataBytes);
  return bytes === undefined ? undefined : decodeUtf8(bytes, path);
}

function checkApf(text: string, agent: AgentConfiguration): void {
  const { tls, podNetwork } = parseApfFile(text);
  checkApfTls(agent, tls);
  if (podNetwork !== null) parsePodNetworkConfiguration(podNetwork);
}
