import { setTimeout } from "node:timers/promises";
import { GuestError } from "../../core/errors.ts";
import type { Scope } from "../../core/scope.ts";
import { createReconnectingClient } from "../../hub/index.ts";
import type { Initdata } from "../../initdata/initdata.ts";
import { connectTtrpc } from "../../rpc/connect.ts";
import type { RpcClient } from "../../rpc/method.ts";
import type { Configuration } from "../configuration.ts";
import { dataHubSocketOf } from "../data-hub-config.ts";
import { readHubFailure } from "../hub-failure.ts";

/** How long the hub may take to come up, and how often the agent looks. */
const startTimeoutMs = 30_000;
const pollMs = 5;

/**
 * The agent's way to the hub, which starts at the same time and is waited for. It may be restarted later.
 *
 * @throws GuestError `unavailable` with the hub's own reason: at once when another start would fail the same way
 */
export async function connectHub(
  configuration: Configuration,
  initdata: Initdata | undefined,
  scope: Scope,
): Promise<RpcClient> {
  const path = dataHubSocketOf(initdata, configuration.hub);
  const connect = (): Promise<RpcClient> => connectTtrpc({ path });
  await awaitHub(connect, configuration, scope.signal);
  const client = createReconnectingClient(connect);
  scope.add("connection to the hub", () => client.close());
  return client;
}

async function awaitHub(
  connect: () => Promise<RpcClient>,
  configuration: Configuration,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      const client = await connect();
      return await client.close();
    } catch (cause) {
      const failure = readHubFailure(configuration);
      const isLate = performance.now() > deadline;
      if (failure !== undefined && (failure.isFinal || isLate)) {
        throw new GuestError("unavailable", `the hub does not start: ${failure.line}`);
      }
      if (isLate) throw new GuestError("unavailable", "the hub does not come up", { cause });
      await setTimeout(pollMs, undefined, { signal });
    }
  }
}
