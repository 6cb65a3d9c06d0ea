import { onTestFinished } from "vitest";
import { silentLog } from "../../../guest/core/log.ts";
import { localGate } from "../../../guest/rpc/local-gate.ts";
import { MemoryBudget } from "../../../guest/rpc/memory-budget.ts";
import { AgentService, WaitProcessRequest } from "../../../guest/rpc/messages/agent.ts";
import { Health } from "../../../guest/rpc/messages/health.ts";
import type { Request } from "../../../guest/rpc/messages/ttrpc.ts";
import type { Gate, Handlers, MessageInit } from "../../../guest/rpc/method.ts";
import { MethodRegistry } from "../../../guest/rpc/method-registry.ts";
import { encodeMessage } from "../../../guest/rpc/protobuf/encode.ts";
import { defaultTtrpcLimits, type TtrpcLimits } from "../../../guest/rpc/ttrpc/limits.ts";
import { TtrpcServerConnection } from "../../../guest/rpc/ttrpc/server.ts";
import { socketPair } from "../socket-pair.ts";
import { RawPeer } from "./raw-peer.ts";

export const agent = "grpc.AgentService";

/** A health check as an envelope, and the payload of its answer. */
export const check = { service: "grpc.Health", method: "Check" };
export const serving = Buffer.from("0801", "hex");

/** What differs from a healthy agent without methods, open to all. */
export interface Setting {
  readonly handlers?: Handlers<typeof AgentService>;
  readonly gate?: Gate;
  readonly limits?: Partial<TtrpcLimits>;
  readonly memory?: MemoryBudget;
}

/** A served connection of which the test has the other end; both are closed when the test is over. */
export async function serve({
  handlers = {},
  gate = localGate,
  limits = {},
  memory = new MemoryBudget(1e9),
}: Setting = {}) {
  const registry = new MethodRegistry({ gate, log: silentLog });
  registry.add(Health, { Check: () => ({ status: 1 }) });
  registry.add(AgentService, handlers);
  const [near, far] = await socketPair();
  onTestFinished(() => {
    near.destroy();
    far.destroy();
  });
  const connection = new TtrpcServerConnection(far, {
    registry,
    limits: { ...defaultTtrpcLimits, ...limits },
    memory,
    connection: 1,
    log: silentLog,
  });
  return { peer: new RawPeer(near), connection, serverSide: far };
}

/** A WaitProcess as an envelope. */
export function waitRequest(container: string): MessageInit<Request> {
  const payload = encodeMessage(WaitProcessRequest, { container_id: container });
  return { service: agent, method: "WaitProcess", payload };
}
