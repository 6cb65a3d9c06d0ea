import { GuestError } from "../../core/errors.ts";
import { type Pause, requestTsmReport, type TsmFiles } from "../tsm/tsm-report.ts";
import type { SnpReportSource } from "./attester.ts";

/** Reports by configfs-tsm (kernel 6.7 and later). */
export function createTsmSnpSource(files: TsmFiles, pause: Pause): SnpReportSource {
  return {
    getReport: async (reportData, signal) => {
      const { provider, outblob, auxblob } = await requestTsmReport(files, reportData, true, pause, signal);
      if (provider !== "sev_guest") {
        throw new GuestError("unavailable", "configfs-tsm has another provider than SEV-SNP", { fields: { provider } });
      }
      return { report: outblob, certificateTable: auxblob ?? new Uint8Array(0) };
    },
  };
}
