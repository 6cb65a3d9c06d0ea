import { basename, dirname, join } from "node:path";
import { GuestError } from "../../core/errors.ts";
import type { Initdata } from "../../initdata/initdata.ts";
import { changeDescriptorMode } from "../../sys/descriptor.ts";
import { Directory } from "../../sys/directory.ts";
import { makeDirectories, removeFile, writeFileAtomically } from "../../sys/file.ts";
import { provisionedFiles } from "../provisioned-files.ts";
import type { HostFile } from "./host-files.ts";
import type { UserData } from "./user-data.ts";

/** What provisioning has verified. */
export interface Provisioned {
  readonly initdata: Initdata;
  readonly hostFiles: readonly HostFile[];
  readonly userData: UserData | undefined;
}

/**
 * Writes what was verified, for root only. The document comes last: as long as it isn't there, no daemon starts.
 *
 * @throws GuestError naming the file that can't be written; nothing of this run stays behind then
 */
export function writeProvisionedFiles(directory: string, provisioned: Provisioned): void {
  const document = join(directory, provisionedFiles.document);
  named(directory, () => makePrivateDirectory(directory));
  replaceFile(document, undefined);
  for (const { path, isDelivered } of provisioned.hostFiles) if (!isDelivered) named(path, () => makePrivate(path));
  const files = filesOf(directory, provisioned);
  try {
    for (const [path, content] of files) replaceFile(path, content);
    replaceFile(document, provisioned.initdata.document);
  } catch (error) {
    removeFiles([...files.keys(), document]);
    throw error;
  }
}

/** All but the document; undefined: what may be there is from nobody that is trusted, and has to go (threat model row 84). */
function filesOf(
  directory: string,
  { initdata, hostFiles, userData }: Provisioned,
): ReadonlyMap<string, Uint8Array | string | undefined> {
  const measured: Readonly<Record<string, Uint8Array | string | undefined>> = {
    [provisionedFiles.attestationAgent]: initdata.attestationAgent?.text,
    [provisionedFiles.dataHub]: initdata.dataHub?.text,
    [provisionedFiles.policy]: initdata.policy?.kind === "rego" ? initdata.policy.text : undefined,
    [provisionedFiles.digest]: Buffer.from(initdata.digest).toString("hex"),
  };
  const files = new Map(Object.entries(measured).map(([name, content]) => [join(directory, name), content]));
  for (const { path, content, isDelivered } of hostFiles) if (isDelivered) files.set(path, content);
  if (userData !== undefined) files.set(join(directory, provisionedFiles.userDataSource), userData.source);
  if (userData?.files.initdata !== undefined)
    files.set(join(directory, provisionedFiles.delivered), userData.files.initdata);
  if (userData?.files.scratchSpace === true) files.set(join(directory, provisionedFiles.scratchSpace), "");
  return files;
}

/**
 * Replaces a file as a whole, for root only.
 *
 * @param content undefined: the file goes
 * @throws GuestError naming the file
 */
export function replaceFile(path: string, content: Uint8Array | string | undefined): void {
  named(path, () => {
    if (content === undefined) removeFile(path);
    else writeFileAtomically(path, content, 0o600);
  });
}

/** Runs a change of a file or directory; its failure says of which. */
function named(path: string, change: () => void): void {
  try {
    change();
  } catch (cause) {
    throw new GuestError("internal", `${path} can't be written`, { cause });
  }
}

function removeFiles(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      removeFile(path);
    } catch {
      // The failure that led here is the one to report; without the document nothing starts.
    }
  }
}

/** Made by others before, it may be open to all. */
function makePrivateDirectory(path: string): void {
  makeDirectories(path, 0o700);
  using directory = Directory.open(path);
  changeDescriptorMode(directory.fd, 0o700);
}

/** Credentials and keys that cloud-init has written for all to read (threat model row 91). */
function makePrivate(path: string): void {
  using directory = Directory.open(dirname(path));
  directory.changeMode(basename(path), 0o600);
}
