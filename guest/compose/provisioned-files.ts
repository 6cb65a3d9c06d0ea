import { join } from "node:path";
import { GuestError } from "../core/errors.ts";
import { absentInitdata } from "../initdata/compose-document.ts";
import { type Initdata, parseInitdata } from "../initdata/initdata.ts";
import { readFileIfPresent } from "../sys/file.ts";

/** Names of what provisioning leaves for the daemons, in its directory; the reference's programs read the same. */
export const provisionedFiles = {
  /** The document's exact bytes; the daemons parse it again themselves. */
  document: "initdata.toml",
  digest: "initdata.digest",
  attestationAgent: "aa.toml",
  dataHub: "cdh.toml",
  policy: "policy.rego",
  /** The document as user data brought it. */
  delivered: "initdata",
  registryCredentials: "auth.json",
  scratchSpace: "scratch-space.marker",
  /** Where user data came from, to ask there again: name of a cloud, or what cidata was found on. */
  userDataSource: "user-data.source",
} as const;

/** No initdata of any form is larger. */
export const maxInitdataBytes = 32 * 1024 * 1024;

/**
 * The initdata that provisioning verified: the daemons' way to it.
 *
 * @returns undefined when the pod has none
 * @throws GuestError `failed-precondition` when provisioning has not succeeded; InitdataError
 */
export function loadProvisionedInitdata(directory: string): Initdata | undefined {
  const file = join(directory, provisionedFiles.document);
  const document = readFileIfPresent(file, maxInitdataBytes);
  if (document === undefined)
    throw new GuestError("failed-precondition", `there is no ${file}: podkeep provision has to succeed first`);
  return Buffer.from(absentInitdata).equals(document) ? undefined : parseInitdata(document);
}
