import { parseArgs } from "node:util";
import { AttestationAgentService } from "../rpc/messages/attestation.ts";
import {
  askAttestationAgent,
  attestationTimeoutMs,
  defaultAttestationAgentSocket,
} from "./attestation-agent-socket.ts";
import { createCommand, UsageError } from "./usage.ts";

const usage = `usage: podkeep token [kbs|coco_as] [--socket PATH]

Has the attestation agent of this VM attest itself to the key broker (kbs, the default) or to an attestation service (coco_as) of
its configuration, and prints what it answers. A kbs token comes with the private key that resources are encrypted for: whoever
sees this output can use both.

  --socket PATH  default ${defaultAttestationAgentSocket}

Exit code 0: printed; 1: no token; 2: wrong command line; 3: no attestation agent.
`;

const options = { socket: { type: "string", default: defaultAttestationAgentSocket } } as const;
const tokenTypes = ["kbs", "coco_as"];

const { GetToken } = AttestationAgentService.methods;

/** `podkeep token`. */
export const run = createCommand("token", usage, (args, io) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [TokenType = "kbs", ...more] = positionals;
  if (more.length > 0 || !tokenTypes.includes(TokenType))
    throw new UsageError(`token is one of ${tokenTypes.join(", ")}`);
  return askAttestationAgent("token", values.socket, io, async (client) => {
    return (await client.call(GetToken, { TokenType }, { timeoutMs: attestationTimeoutMs, signal: io.signal })).Token;
  });
});
