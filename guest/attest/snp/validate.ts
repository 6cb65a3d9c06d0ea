import { timingSafeEqual } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { fitInitDataDigest } from "../report-data.ts";
import { findOutdatedComponent, type MinimumTcb } from "./minimum-tcb.ts";
import type { SnpReport } from "./report.ts";

/** What a relying party expects of a genuine report. Members that are undefined are not compared. */
export interface SnpExpectation {
  /** Compared after padding with zeros to 64 bytes. */
  readonly reportData?: Uint8Array;
  /** Digest of the initdata document; compared with HOST_DATA. */
  readonly initDataDigest?: Uint8Array;
  /** Launch digests that are acceptable. */
  readonly measurements?: readonly Uint8Array[];
  /** Debugging lets the host read the VM's memory: false unless somebody insists. */
  readonly allowDebug?: boolean;
  /** A migration agent can move the VM elsewhere: false unless somebody insists. */
  readonly allowMigration?: boolean;
  /** Older firmware and microcode have known holes. */
  readonly minimumTcb?: MinimumTcb;
}

/** Bits of POLICY (spec/tee-abi.md 1.4). */
const migrationPolicy = 1n << 18n;
const debugPolicy = 1n << 19n;

/**
 * Compares a genuine report with expectations.
 *
 * @throws GuestError `permission-denied` that names the field
 */
export function validateSnpReport(report: SnpReport, expected: SnpExpectation): void {
  const refuse = (field: string): GuestError =>
    new GuestError("permission-denied", `SNP report: ${field} is not as expected`);
  if (expected.reportData !== undefined && !equals(report.reportData, fitInitDataDigest(expected.reportData, 64))) {
    throw refuse("REPORT_DATA");
  }
  if (
    expected.initDataDigest !== undefined &&
    !equals(report.hostData, fitInitDataDigest(expected.initDataDigest, 32))
  ) {
    throw refuse("HOST_DATA");
  }
  if (expected.measurements?.some((measurement) => equals(report.measurement, measurement)) === false) {
    throw refuse("MEASUREMENT");
  }
  if ((report.policy & debugPolicy) !== 0n && expected.allowDebug !== true) throw refuse("POLICY (debugging)");
  if ((report.policy & migrationPolicy) !== 0n && expected.allowMigration !== true) throw refuse("POLICY (migration)");
  const outdated = findOutdatedComponent(report, expected.minimumTcb ?? {});
  if (outdated !== undefined) throw refuse(outdated);
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
