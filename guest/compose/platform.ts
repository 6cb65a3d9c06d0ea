import { setTimeout } from "node:timers/promises";
import type { Attester, TeeName } from "../attest/attester.ts";
import { detectTee } from "../attest/detect.ts";
import { readEvidenceLog } from "../attest/eventlog/files.ts";
import { createPlatformProbe } from "../attest/platform.ts";
import { sampleAttester } from "../attest/sample/attester.ts";
import { createSnpAttester } from "../attest/snp/attester.ts";
import { createDeviceSnpSource } from "../attest/snp/guest-device.ts";
import { createTsmSnpSource } from "../attest/snp/tsm-source.ts";
import { createTdxAttester, createTsmQuoteSource } from "../attest/tdx/attester.ts";
import { openTdxMeasurements } from "../attest/tdx/measurement-files.ts";
import { createTdxRegisters } from "../attest/tdx/registers.ts";
import { GuestError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { configfsTsm } from "../sys/configfs-tsm.ts";
import { getExtendedReport } from "../sys/sev-guest.ts";

const pause = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  setTimeout(milliseconds, undefined, { signal });

/**
 * The attester of the TEE that this VM runs in. A TEE that is found but can't be attested is an error, never the sample one:
 * whoever checks the evidence must not be told that there is no TEE.
 *
 * @throws GuestError `unimplemented` for such a TEE
 */
export async function chooseAttester(log: Log): Promise<Attester> {
  const probe = await createPlatformProbe({
    tsm: configfsTsm,
    hclReportType: undefined,
    tpmDevice: undefined,
    architecture: process.arch,
  });
  const tee = detectTee(probe);
  log.info("TEE", { tee });
  return attesterOf(tee, probe.tsmProvider() !== undefined);
}

function attesterOf(tee: TeeName, hasTsm: boolean): Attester {
  switch (tee) {
    case "sample":
      return sampleAttester;
    case "snp":
      return createSnpAttester(
        hasTsm ? createTsmSnpSource(configfsTsm, pause) : createDeviceSnpSource({ getExtendedReport }, pause),
      );
    case "tdx":
      return createTdx();
    default:
      throw new GuestError("unimplemented", `this VM is of the kind ${tee}, which can't be attested yet`);
  }
}

function createTdx(): Attester {
  const measurements = openTdxMeasurements();
  return createTdxAttester({
    quotes: createTsmQuoteSource(configfsTsm, pause),
    measurements,
    registers: createTdxRegisters(measurements),
    readEventLog: async () => readEvidenceLog(),
  });
}
