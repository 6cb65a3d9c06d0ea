import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import type { CommandIo } from "../core/command.ts";
import { AttestationAgentService } from "../rpc/messages/attestation.ts";
import {
  askAttestationAgent,
  attestationTimeoutMs,
  defaultAttestationAgentSocket,
} from "./attestation-agent-socket.ts";
import { createCommand, parseHexOption } from "./usage.ts";

const usage = `usage: podkeep evidence [--report-data HEX] [--devices] [--socket PATH]

Asks the attestation agent of this VM for evidence and prints its JSON. podkeep verify reads it.

  --report-data HEX  what the evidence binds: a nonce, or the digest of one and a key. When absent, 48 random bytes, which are
                     printed on standard error. At most 64 bytes; 50 on Azure
  --devices          evidence of the devices beside the TEE instead
  --socket PATH      default ${defaultAttestationAgentSocket}

Exit code 0: printed; 1: the agent has no evidence; 2: wrong command line; 3: no attestation agent.
`;

const options = {
  "report-data": { type: "string" },
  devices: { type: "boolean", default: false },
  socket: { type: "string", default: defaultAttestationAgentSocket },
} as const;

/** As long as the nonce that the reference's brokers have evidence bind: a SHA-384 digest. */
const randomReportDataBytes = 48;

const { GetEvidence, GetAdditionalEvidence } = AttestationAgentService.methods;

/** `podkeep evidence`. */
export const run = createCommand("evidence", usage, (args, io) => {
  const { values } = parseArgs({ args: [...args], options });
  const RuntimeData = reportDataOf(values["report-data"], io);
  return askAttestationAgent("evidence", values.socket, io, async (client) => {
    const method = values.devices ? GetAdditionalEvidence : GetEvidence;
    return (await client.call(method, { RuntimeData }, { timeoutMs: attestationTimeoutMs, signal: io.signal }))
      .Evidence;
  });
});

function reportDataOf(option: string | undefined, io: CommandIo): Uint8Array {
  if (option !== undefined) return parseHexOption(option, "--report-data");
  const reportData = randomBytes(randomReportDataBytes);
  io.stderr(`report data: ${reportData.toString("hex")}\n`);
  return reportData;
}
