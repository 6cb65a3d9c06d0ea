import type { Attester } from "../../attest/attester.ts";
import type { EvidenceProvider } from "../../kbs/index.ts";

/** Evidence of the VM and of its devices, as the key broker's protocol wants it. */
export function createEvidenceProvider(attester: Attester, devices: readonly Attester[]): EvidenceProvider {
  return {
    tee: attester.tee,
    getEvidence: (reportData, signal) => attester.getEvidence(reportData, signal),
    getAdditionalEvidence: (reportData, signal) => getDeviceEvidence(devices, reportData, signal),
  };
}

/**
 * Evidence of all devices, each bound to the same data. One that fails fails the whole: a verifier must not think that there is
 * no such device.
 *
 * @returns JSON text of an object with a member a device; empty without devices
 */
export async function getDeviceEvidence(
  devices: readonly Attester[],
  reportData: Uint8Array,
  signal: AbortSignal,
): Promise<string> {
  if (devices.length === 0) return "";
  const members: string[] = [];
  for (const device of devices) {
    members.push(`${JSON.stringify(device.tee)}:${await device.getEvidence(reportData, signal)}`);
  }
  return `{${members.join(",")}}`;
}
