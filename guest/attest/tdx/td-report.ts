import { timingSafeEqual } from "node:crypto";
import { GuestError, messageOf } from "../../core/errors.ts";
import { registerBytes } from "./registers.ts";

/** /dev/tdx_guest. */
export interface TdReportDevice {
  /** @param reportData 64 bytes @returns a TDREPORT, 1024 bytes @throws SystemError */
  getTdReport(reportData: Uint8Array): Uint8Array;
}

/** Offsets in a TDREPORT (spec/tee-abi.md 4.1). */
const tdReportBytes = 1024;
const reportDataOffset = 128;
const mrConfigIdOffset = 576;

/**
 * A TDREPORT over the given data: what a quote is made from, and what the TDX module says of this VM.
 *
 * @param reportData 64 bytes
 * @throws GuestError `unavailable` when the device fails, `internal` when it answers something else
 */
export function readTdReport(device: TdReportDevice, reportData: Uint8Array): Uint8Array {
  let report: Uint8Array;
  try {
    report = device.getTdReport(reportData);
  } catch (cause) {
    throw new GuestError("unavailable", `/dev/tdx_guest made no report: ${messageOf(cause)}`, { cause });
  }
  const bound = report.subarray(reportDataOffset, reportDataOffset + reportData.length);
  if (report.length === tdReportBytes && timingSafeEqual(bound, reportData)) return report;
  throw new GuestError("internal", "/dev/tdx_guest made a report over other data than was asked for");
}

/** MRCONFIGID in a TDREPORT: where the host put the initdata digest. */
export function mrConfigIdOf(tdReport: Uint8Array): Uint8Array {
  return tdReport.subarray(mrConfigIdOffset, mrConfigIdOffset + registerBytes);
}
