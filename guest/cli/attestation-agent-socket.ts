import { type CommandIo, exitCodes } from "../core/command.ts";
import { describeFailure, GuestError, messageOf } from "../core/errors.ts";
import { connectTtrpc } from "../rpc/connect.ts";
import type { RpcClient } from "../rpc/method.ts";

/** Where the attestation agent listens unless configured otherwise. */
export const defaultAttestationAgentSocket = "/run/confidential-containers/attestation-agent/attestation-agent.sock";

/** As the reference's clients wait: evidence may need a quote of the host (spec/attestation-agent.md 2.2). */
export const attestationTimeoutMs = 50_000;

/**
 * Asks the attestation agent and prints its answer.
 *
 * @param ask makes the calls and gives what goes to standard output
 * @returns an exit code; failures are on standard error
 */
export async function askAttestationAgent(
  name: string,
  socket: string,
  io: CommandIo,
  ask: (client: RpcClient) => Promise<Uint8Array>,
): Promise<number> {
  let client: RpcClient;
  try {
    client = await connectTtrpc({ path: socket });
  } catch (error) {
    io.stderr(`podkeep ${name}: no attestation agent: ${describeFailure(error)}\n`);
    return exitCodes.unreachable;
  }
  try {
    io.stdout(`${Buffer.from(await ask(client)).toString("utf8")}\n`);
    return exitCodes.success;
  } catch (error) {
    io.stderr(`podkeep ${name}: ${error instanceof GuestError ? `${error.code}: ` : ""}${messageOf(error)}\n`);
    return exitCodes.failure;
  } finally {
    await client.close();
  }
}
