import fs from "node:fs";
import { addressOf, libc } from "./libc.ts";
import { asSystemCall, lastError } from "./system-error.ts";

const devicePath = "/dev/sev-guest";
const SNP_GET_EXT_REPORT = 0xc0205302n;
const responseBytes = 4000;

/**
 * SNP_GET_EXT_REPORT (spec/tee-abi.md 2). Only pointers and lengths are put together here; fulfils SevGuestDevice of
 * guest/attest/snp/guest-device.ts. Blocks the thread while the firmware works, some tens of milliseconds.
 *
 * @throws SystemError when the device can't be opened
 */
export function getExtendedReport(request: Uint8Array, certificates: Uint8Array) {
  const response = Buffer.alloc(responseBytes);
  // snp_ext_report_req: snp_report_req[96], certs_address u64, certs_len u32, padding.
  const extended = Buffer.alloc(112);
  extended.set(request);
  if (certificates.length > 0) extended.writeBigUInt64LE(addressOf(certificates), 96);
  extended.writeUInt32LE(certificates.length, 104);
  // snp_guest_request_ioctl: msg_version u8, req_data u64, resp_data u64, exitinfo2 u64.
  const argument = Buffer.alloc(32);
  argument.writeUInt8(1, 0);
  argument.writeBigUInt64LE(addressOf(extended), 8);
  argument.writeBigUInt64LE(addressOf(response), 16);
  const fd = asSystemCall(() => fs.openSync(devicePath, fs.constants.O_RDONLY));
  try {
    const error = libc.ioctl(fd, SNP_GET_EXT_REPORT, argument) === 0 ? undefined : lastError("ioctl", devicePath);
    return {
      errno: error?.errno,
      exitInfo: argument.readBigUInt64LE(24),
      response,
      certificatesLength: extended.readUInt32LE(104),
    };
  } finally {
    fs.closeSync(fd);
  }
}
