import { dirname, join } from "node:path";
import type { Log } from "../core/log.ts";
import { parseDigest, requireDigest } from "../initdata/digest.ts";
import { unwrapInitdata } from "../initdata/encodings.ts";
import { type Initdata, parseInitdata } from "../initdata/initdata.ts";
import { summarizeInitdata } from "../initdata/summary.ts";
import { makeDirectories, pathExists, readFileIfPresent, removeFile, writeFileAtomically } from "../sys/file.ts";
import { bringLoopbackUp } from "../sys/loopback.ts";
import { createPersistentNamespace } from "../sys/namespace.ts";
import type { Configuration, ProvisionConfiguration } from "./configuration.ts";
import type { StartDaemon } from "./daemon.ts";

/** Names of what provisioning leaves for the daemons, in its directory; the reference's programs read the same. */
export const provisionedFiles = {
  /** The document's exact bytes; the daemons parse it again themselves. */
  document: "initdata.toml",
  digest: "initdata.digest",
  attestationAgent: "aa.toml",
  dataHub: "cdh.toml",
  policy: "policy.rego",
} as const;

/** No initdata of any form is larger. */
const maxInitdataBytes = 32 * 1024 * 1024;

/**
 * Verifies initdata, writes what the daemons need, and makes the pod's network namespace. Starts nothing; when initdata is
 * wrong nothing is written.
 *
 * @throws InitdataError naming the key at fault
 */
export const provision: StartDaemon = async ({ configuration, log }) => {
  const initdata = readInitdata(configuration.provision, log);
  writeProvisionedFiles(configuration.provision.directory, initdata);
  makePodNetworkNamespace(configuration, log);
};

/** The initdata that provisioning verified, or undefined when the pod has none. The daemons' way to it. */
export function loadProvisionedInitdata(directory: string): Initdata | undefined {
  const document = readFileIfPresent(join(directory, provisionedFiles.document), maxInitdataBytes);
  return document === undefined ? undefined : parseInitdata(document);
}

function readInitdata({ initdata: file, expectedDigest }: ProvisionConfiguration, log: Log): Initdata | undefined {
  const bytes = file === "" ? undefined : readFileIfPresent(file, maxInitdataBytes);
  if (bytes === undefined) {
    // Whoever expects a digest must not get a pod without the document.
    if (expectedDigest !== "") requireDigest(new Uint8Array(), parseDigest(expectedDigest));
    log.warn("no initdata: the policy of the image rules", { file });
    return undefined;
  }
  const initdata = parseInitdata(unwrapInitdata(bytes));
  if (expectedDigest !== "") requireDigest(initdata.digest, parseDigest(expectedDigest));
  log.info("initdata verified", { summary: summarizeInitdata(initdata) });
  for (const warning of initdata.warnings) log.warn("initdata", { warning });
  return initdata;
}

function writeProvisionedFiles(directory: string, initdata: Initdata | undefined): void {
  makeDirectories(directory, 0o700);
  const contents: Readonly<Record<string, Uint8Array | string | undefined>> = {
    [provisionedFiles.attestationAgent]: initdata?.attestationAgent?.text,
    [provisionedFiles.dataHub]: initdata?.dataHub?.text,
    [provisionedFiles.policy]: initdata?.policy?.kind === "rego" ? initdata.policy.text : undefined,
    [provisionedFiles.digest]: initdata && Buffer.from(initdata.digest).toString("hex"),
    // Last: when it is there, the others are.
    [provisionedFiles.document]: initdata?.document,
  };
  for (const [name, content] of Object.entries(contents)) {
    const file = join(directory, name);
    if (content === undefined) removeFile(file);
    else writeFileAtomically(file, content);
  }
}

function makePodNetworkNamespace({ agent }: Configuration, log: Log): void {
  const path = agent.networkNamespace;
  if (path === "" || pathExists(path)) return;
  makeDirectories(dirname(path));
  createPersistentNamespace("net", path, bringLoopbackUp);
  log.info("pod network namespace made", { path });
}
