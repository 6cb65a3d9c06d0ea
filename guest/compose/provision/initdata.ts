import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { absentInitdata } from "../../initdata/compose-document.ts";
import { parseDigest, requireDigest } from "../../initdata/digest.ts";
import { decodeAnnotation, unwrapInitdata } from "../../initdata/encodings.ts";
import { type Initdata, parseInitdata } from "../../initdata/initdata.ts";
import { InitdataError } from "../../initdata/initdata-error.ts";
import { summarizeInitdata } from "../../initdata/summary.ts";
import { pathExists, readFileBounded } from "../../sys/file.ts";
import type { ProvisionConfiguration } from "../configuration.ts";
import { maxInitdataBytes } from "../provisioned-files.ts";
import { findCarrier } from "./block-device.ts";
import type { UserData } from "./user-data.ts";

/** Where a document was found. */
interface Found {
  readonly origin: string;
  /** The document out of whatever form it has there. @throws InitdataError, SystemError */
  read(): Uint8Array;
}

/**
 * The pod's initdata, verified: from user data, else from the file that is there already, else from a block device.
 *
 * @returns the document that stands for "none" when there is none: that, too, is measured (threat model row 83)
 * @throws GuestError naming where the document is from and the key at fault
 */
export function obtainInitdata(
  configuration: ProvisionConfiguration,
  userData: UserData | undefined,
  deviceDirectory: string,
  log: Log,
): Initdata {
  const found = find(configuration, userData, deviceDirectory, log);
  if (found === undefined) return withoutInitdata(configuration, log);
  const initdata = verify(found, configuration.expectedDigest);
  log.info("initdata verified", { origin: found.origin, summary: summarizeInitdata(initdata) });
  for (const warning of initdata.warnings) log.warn("initdata", { warning });
  return initdata;
}

function find(
  { source, initdata: file }: ProvisionConfiguration,
  userData: UserData | undefined,
  deviceDirectory: string,
  log: Log,
): Found | undefined {
  const delivered = userData?.files.initdata;
  if (userData !== undefined && delivered !== undefined)
    return { origin: userData.origin, read: () => decodeAnnotation(delivered) };
  if (file !== "" && isOneOf(source, "auto", "file") && pathExists(file))
    return { origin: file, read: () => unwrapInitdata(readFileBounded(file, maxInitdataBytes)) };
  if (!isOneOf(source, "auto", "block-device")) return undefined;
  const carrier = findCarrier(deviceDirectory, log);
  if (carrier !== undefined) return { origin: carrier.device, read: carrier.read };
  if (source === "auto") return undefined;
  throw new GuestError("not-found", `no block device in ${deviceDirectory} carries initdata`);
}

function isOneOf<T extends string>(value: T, ...names: readonly T[]): boolean {
  return names.includes(value);
}

function verify({ origin, read }: Found, expectedDigest: string): Initdata {
  try {
    const initdata = parseInitdata(read());
    if (expectedDigest !== "") requireDigest(initdata.digest, parseDigest(expectedDigest));
    return initdata;
  } catch (cause) {
    throw new GuestError("invalid-argument", `the initdata of ${origin} can't be used`, { cause });
  }
}

/** Whoever expects a digest must not get a pod without the document. */
function withoutInitdata({ source, expectedDigest }: ProvisionConfiguration, log: Log): Initdata {
  if (expectedDigest !== "")
    throw new InitdataError("digest", `there is no initdata, expected is one with the digest ${expectedDigest}`);
  log.warn("no initdata: the policy of the image rules", { source });
  return parseInitdata(absentInitdata);
}
