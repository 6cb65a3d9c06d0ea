import { GuestError } from "../../core/errors.ts";
import type { Pause } from "../tsm/tsm-report.ts";
import type { SnpReportSource } from "./attester.ts";
import { reportBytes } from "./report.ts";

/** What one SNP_GET_EXT_REPORT gave (spec/tee-abi.md 2). */
export interface ExtendedReportReply {
  /** Name of the errno, such as `EIO`; undefined for success. */
  readonly errno: string | undefined;
  /** exitinfo2: firmware error in the low half, error of the VMM in the high one. */
  readonly exitInfo: bigint;
  /** snp_report_resp as the kernel filled it, 4000 bytes. */
  readonly response: Uint8Array;
  /** certs_len afterwards: what the host wants to hand out. */
  readonly certificatesLength: number;
}

/** /dev/sev-guest. The one system call is sys/'s; what goes into it and comes out is read here. */
export interface SevGuestDevice {
  /**
   * SNP_GET_EXT_REPORT, message version 1.
   *
   * @param request snp_report_req, 96 bytes
   * @param certificates filled with the host's table; may be empty
   */
  getExtendedReport(request: Uint8Array, certificates: Uint8Array): ExtendedReportReply;
}

/** Errors of the VMM in the high half of exitinfo2. */
const vmmInvalidLength = 1;
const vmmBusy = 2;

const requestBytes = 96;
const pageBytes = 4096;
const maxCertificateBytes = 0x4000;

/** Recent kernels wait themselves; older ones hand the host's "busy" up and may disable a device that is hammered. */
const busyPauseMs = 2_000;
const maxBusyPauses = 30;

/** Reports by the ioctls of /dev/sev-guest, for kernels before 6.7. */
export function createDeviceSnpSource(device: SevGuestDevice, pause: Pause): SnpReportSource {
  return {
    getReport: async (reportData, signal) => {
      const request = encodeReportRequest(reportData);
      let certificates = new Uint8Array(0);
      let grown = false;
      for (let busy = 0; ; ) {
        signal.throwIfAborted();
        const reply = device.getExtendedReport(request, certificates);
        if (reply.errno === undefined) {
          const length = Math.min(reply.certificatesLength, certificates.length);
          return { report: parseReportResponse(reply.response), certificateTable: certificates.subarray(0, length) };
        }
        const vmmError = Number(reply.exitInfo >> 32n);
        if (reply.errno === "EIO" && vmmError === vmmInvalidLength && !grown) {
          certificates = new Uint8Array(roundToPages(reply.certificatesLength));
          grown = true;
        } else if (reply.errno === "EIO" && vmmError === vmmBusy && busy < maxBusyPauses) {
          busy += 1;
          await pause(busyPauseMs, signal);
        } else {
          throw deviceError(reply);
        }
      }
    },
  };
}

/** snp_report_req: user_data, VMPL 0, zeros. */
function encodeReportRequest(reportData: Uint8Array): Uint8Array {
  const request = new Uint8Array(requestBytes);
  request.set(reportData);
  return request;
}

/** snp_report_resp: status, size, 24 reserved bytes, the report. @throws GuestError */
function parseReportResponse(response: Uint8Array): Uint8Array {
  const bytes = Buffer.from(response);
  if (bytes.length < 32 + reportBytes) throw new GuestError("internal", "SNP firmware answered with too few bytes");
  const status = bytes.readUInt32LE(0);
  if (status !== 0) throw new GuestError("internal", "SNP firmware refused to make a report", { fields: { status } });
  if (bytes.readUInt32LE(4) !== reportBytes)
    throw new GuestError("internal", "SNP firmware made a report of another size");
  return Uint8Array.from(bytes.subarray(32, 32 + reportBytes));
}

function roundToPages(length: number): number {
  if (length === 0 || length > maxCertificateBytes) {
    throw new GuestError("internal", "the host wants to hand out an impossible certificate table", {
      fields: { length },
    });
  }
  return Math.ceil(length / pageBytes) * pageBytes;
}

function deviceError({ errno, exitInfo }: ExtendedReportReply): GuestError {
  const fields = { errno, firmwareError: Number(exitInfo & 0xffff_ffffn), vmmError: Number(exitInfo >> 32n) };
  // The driver wipes its key when the message sequence breaks; nothing but a reboot brings it back.
  const hint = errno === "ENOTTY" ? ": the driver has lost its key, the VM must be restarted" : "";
  return new GuestError("unavailable", `/dev/sev-guest made no report (${errno})${hint}`, { fields });
}
