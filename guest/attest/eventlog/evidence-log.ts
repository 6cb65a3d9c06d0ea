import { parseEventLog } from "./ccel.ts";

/** Ends the log that goes into evidence. */
const endMark = Buffer.alloc(8, 0xff);

/**
 * The header that stands before the agent's entries where the firmware left no log: a legacy entry of type EV_NO_ACTION that names
 * SHA-384 and SM3 (spec/attestation-agent.md 6.4).
 */
const headerForAgentLog: Uint8Array = Buffer.concat([
  words(0, 3),
  Buffer.alloc(20),
  words(0x25),
  Buffer.alloc(24),
  words(2),
  Buffer.from([0x0c, 0x00, 0x30, 0x00, 0x12, 0x00, 0x20, 0x00, 0x00]),
]);

/**
 * Puts the log for evidence together: the firmware's (its padding cut off), the agent's entries, the end mark.
 *
 * @returns undefined when there is neither
 * @throws GuestError `invalid-argument` when the firmware's log can't be parsed
 */
export function assembleEvidenceLog(
  firmwareLog: Uint8Array | undefined,
  agentLog: Uint8Array | undefined,
): Uint8Array | undefined {
  if (firmwareLog === undefined && agentLog === undefined) return undefined;
  const boot = firmwareLog?.subarray(0, parseEventLog(firmwareLog).usedBytes) ?? headerForAgentLog;
  return Buffer.concat([boot, agentLog ?? new Uint8Array(0), endMark]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => void bytes.writeUInt32LE(value, index * 4));
  return bytes;
}
