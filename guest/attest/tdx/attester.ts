import { timingSafeEqual } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import type { Attester, MeasurementRegisters } from "../attester.ts";
import { fitInitDataDigest, isAllZero, padReportData } from "../report-data.ts";
import { type Pause, requestTsmReport, type TsmFiles } from "../tsm/tsm-report.ts";
import { parseTdxQuote } from "./quote.ts";
import { registerBytes, type TdxMeasurementFiles } from "./registers.ts";
import { mrConfigIdOf, readTdReport, type TdReportDevice } from "./td-report.ts";

/** Makes quotes. */
export interface TdxQuoteSource {
  /** @param reportData exactly 64 bytes @throws GuestError `unavailable` or `internal` */
  getQuote(reportData: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/** What a TDX attester is made of. */
export interface TdxParts {
  readonly quotes: TdxQuoteSource;
  readonly measurements: TdxMeasurementFiles;
  /** Undefined where the kernel has none. */
  readonly device: TdReportDevice | undefined;
  /** Undefined where the kernel can't extend RTMRs. */
  readonly registers: MeasurementRegisters | undefined;
  /** The boot's and the agent's event log, as evidence carries it; undefined when there is none. */
  readonly readEventLog: () => Promise<Uint8Array | undefined>;
}

const reportDataBytes = 64;

/** Evidence of Intel TDX (spec/attestation-agent.md 5.3). MRCONFIGID holds the initdata digest. */
export function createTdxAttester({ quotes, measurements, device, registers, readEventLog }: TdxParts): Attester {
  const quoteOver = async (reportData: Uint8Array, signal: AbortSignal): Promise<Uint8Array> => {
    const quote = await quotes.getQuote(reportData, signal);
    if (timingSafeEqual(parseTdxQuote(quote).body.reportData, reportData)) return quote;
    throw new GuestError("internal", "the quote is over other data than was asked for");
  };

  return {
    tee: "tdx",
    registers,

    getEvidence: async (reportData, signal) => {
      // The log first: an event that comes in between is then in the registers and not in the log, which verifiers refuse,
      // instead of the other way round, which would hide it.
      const log = await readEventLog();
      const quote = await quoteOver(padReportData(reportData, reportDataBytes, "TDX"), signal);
      const eventLog = log === undefined ? null : Buffer.from(log).toString("base64");
      return JSON.stringify({ cc_eventlog: eventLog, quote: Buffer.from(quote).toString("base64") });
    },

    bindInitData: async (digest) => {
      const mrConfigId = await readMrConfigId();
      if (isAllZero(mrConfigId)) return "unsupported";
      if (timingSafeEqual(mrConfigId, fitInitDataDigest(digest, registerBytes))) return "bound";
      throw new GuestError("failed-precondition", "Init data does not match!");
    },

    expectNoInitData: async () => {
      if (isAllZero(await readMrConfigId())) return;
      throw new GuestError("failed-precondition", "MRCONFIGID holds a digest, but the host has given no initdata");
    },
  };

  /** By sysfs, on older kernels by the device, and last from a quote: that needs the host's quoting service. */
  async function readMrConfigId(): Promise<Uint8Array> {
    const value = await measurements.read("mrconfigid");
    if (value?.length === registerBytes) return value;
    const noData = new Uint8Array(reportDataBytes);
    if (device !== undefined) return mrConfigIdOf(readTdReport(device, noData));
    const quote = await quoteOver(noData, new AbortController().signal);
    return parseTdxQuote(quote).body.mrConfigId;
  }
}

/** Quotes by configfs-tsm (kernel 6.7 and later). */
export function createTsmQuoteSource(files: TsmFiles, pause: Pause): TdxQuoteSource {
  return {
    getQuote: async (reportData, signal) => {
      const { provider, outblob } = await requestTsmReport(files, reportData, false, pause, signal);
      if (provider === "tdx_guest") return outblob;
      throw new GuestError("unavailable", "configfs-tsm has another provider than TDX", { fields: { provider } });
    },
  };
}
