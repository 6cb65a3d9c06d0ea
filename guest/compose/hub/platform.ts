import { setTimeout } from "node:timers/promises";
import type { Attester, TeeName } from "../../attest/attester.ts";
import { type AzureParts, createAzureSnpAttester, createAzureTdxAttester } from "../../attest/azure/attester.ts";
import { createAzureMetadataService } from "../../attest/azure/metadata-service.ts";
import { readHclReportType } from "../../attest/azure/vtpm.ts";
import { detectTee } from "../../attest/detect.ts";
import { readEvidenceLog } from "../../attest/eventlog/files.ts";
import { createPlatformProbe } from "../../attest/platform.ts";
import { sampleAttester } from "../../attest/sample/attester.ts";
import { createSnpAttester } from "../../attest/snp/attester.ts";
import { createDeviceSnpSource } from "../../attest/snp/guest-device.ts";
import { createTsmSnpSource } from "../../attest/snp/tsm-source.ts";
import { createTdxAttester, createTsmQuoteSource, type TdxQuoteSource } from "../../attest/tdx/attester.ts";
import { measurementDirectory, openTdxMeasurements } from "../../attest/tdx/measurement-files.ts";
import { createServiceQuoteSource } from "../../attest/tdx/quote-service.ts";
import { readQuoteServicePort } from "../../attest/tdx/quote-service-port.ts";
import { createTdxRegisters } from "../../attest/tdx/registers.ts";
import { GuestError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Scope } from "../../core/scope.ts";
import { configfsTsm } from "../../sys/configfs-tsm.ts";
import { pathExists } from "../../sys/file.ts";
import { HttpClient } from "../../sys/http-client.ts";
import { getExtendedReport } from "../../sys/sev-guest.ts";
import { getTdReport, tdxGuestDevice } from "../../sys/tdx-guest.ts";
import { Tpm } from "../../sys/tpm/tpm.ts";
import { findTpmDevice, openTpmDevice } from "../../sys/tpm/transport.ts";
import { connectVsock, hostContextId } from "../../sys/vsock.ts";

/** For one read or write; making a quote takes the host seconds. */
const quoteServiceTimeoutMs = 20_000;

const pause = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  setTimeout(milliseconds, undefined, { signal });

/**
 * The attester of the TEE that this VM runs in. A TEE that is found but can't be attested is an error, never the sample one:
 * whoever checks the evidence must not be told that there is no TEE.
 *
 * @throws GuestError `unimplemented` for such a TEE
 */
export async function chooseAttester(log: Log, scope: Scope): Promise<Attester> {
  const tpm = await openTpm(scope);
  const probe = await createPlatformProbe({
    tsm: configfsTsm,
    hclReportType: tpm && (await readHclReportType(tpm)),
    tpmDevice: tpm && findTpmDevice(),
    architecture: process.arch,
  });
  const tee = detectTee(probe);
  log.info("TEE", { tee });
  return attesterOf(tee, probe.tsmProvider() !== undefined, tpm);
}

async function openTpm(scope: Scope): Promise<Tpm | undefined> {
  const device = findTpmDevice();
  if (device === undefined) return undefined;
  const transport = await openTpmDevice(device);
  scope.add(`TPM ${device}`, () => transport.close());
  return new Tpm(transport);
}

function attesterOf(tee: TeeName, hasTsm: boolean, tpm: Tpm | undefined): Attester {
  switch (tee) {
    case "sample":
    // A TPM is no TEE: a VM with nothing else proves nothing, though provisioning measures its initdata.
    case "tpm":
      return sampleAttester;
    case "snp":
      return createSnpAttester(
        hasTsm ? createTsmSnpSource(configfsTsm, pause) : createDeviceSnpSource({ getExtendedReport }, pause),
      );
    case "tdx":
      return createTdx(hasTsm);
    case "az-snp-vtpm":
      return createAzureSnpAttester(azureParts(tpm));
    case "az-tdx-vtpm":
      return createAzureTdxAttester(azureParts(tpm));
    default:
      throw new GuestError("unimplemented", `this VM is of the kind ${tee}, which can't be attested yet`);
  }
}

function azureParts(tpm: Tpm | undefined): AzureParts {
  // Detection read the HCL report from it.
  if (tpm === undefined) throw new GuestError("internal", "a VM on Azure without a TPM");
  return { tpm, metadata: createAzureMetadataService(new HttpClient(), pause), pause };
}

function createTdx(hasTsm: boolean): Attester {
  const measurements = openTdxMeasurements();
  return createTdxAttester({
    quotes: hasTsm ? createTsmQuoteSource(configfsTsm, pause) : createVsockQuoteSource(),
    measurements,
    device: pathExists(tdxGuestDevice) ? { getTdReport } : undefined,
    registers: pathExists(measurementDirectory) ? createTdxRegisters(measurements) : undefined,
    readEventLog: async () => readEvidenceLog(),
  });
}

/** For kernels before 6.7, which have no configfs-tsm. */
function createVsockQuoteSource(): TdxQuoteSource {
  const port = readQuoteServicePort();
  return createServiceQuoteSource({
    device: { getTdReport },
    connect: () => connectVsock({ contextId: hostContextId, port, timeoutMs: quoteServiceTimeoutMs }),
    pause,
  });
}
