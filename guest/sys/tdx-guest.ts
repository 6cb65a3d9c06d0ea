import fs from "node:fs";
import { libc } from "./libc.ts";
import { asSystemCall, lastError } from "./system-error.ts";

/** The driver's device. */
export const tdxGuestDevice = "/dev/tdx_guest";
const TDX_CMD_GET_REPORT0 = 0xc4405401n;
const reportDataBytes = 64;
const reportBytes = 1024;

/**
 * TDX_CMD_GET_REPORT0 (spec/tee-abi.md 4.2); fulfils TdReportDevice of guest/attest/tdx/td-report.ts. The TDX module
 * answers within microseconds.
 *
 * @param reportData 64 bytes
 * @returns the TDREPORT, 1024 bytes
 * @throws SystemError
 */
export function getTdReport(reportData: Uint8Array): Uint8Array {
  if (reportData.length !== reportDataBytes) throw new RangeError(`report data has ${reportDataBytes} bytes`);
  // tdx_report_req: reportdata[64] in, tdreport[1024] out.
  const request = Buffer.alloc(reportDataBytes + reportBytes);
  request.set(reportData);
  const fd = asSystemCall(() => fs.openSync(tdxGuestDevice, fs.constants.O_RDWR));
  try {
    if (libc.ioctl(fd, TDX_CMD_GET_REPORT0, request) !== 0) throw lastError("ioctl", tdxGuestDevice);
    return Uint8Array.from(request.subarray(reportDataBytes));
  } finally {
    fs.closeSync(fd);
  }
}
