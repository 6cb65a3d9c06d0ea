import { GuestError, messageOf } from "../../core/errors.ts";
import type { PodNetwork } from "../dependencies.ts";
import { quotedError } from "../errors.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

/** Interfaces, routes and neighbours of the pod (spec/agent-rpc.md 6.9). */
export function networkHandlers(
  network: PodNetwork | undefined,
): AgentHandlers<"ListInterfaces" | "UpdateInterface" | "ListRoutes" | "UpdateRoutes" | "AddARPNeighbors"> {
  return {
    ListInterfaces: async () => {
      const pod = required(network);
      return { Interfaces: await named("Failed to list interfaces", () => pod.listInterfaces()) };
    },
    UpdateInterface: async ({ interface: wanted }) => {
      if (wanted === null) throw quotedError("invalid-argument", "empty update interface request");
      const pod = required(network);
      await named("update interface", () => pod.updateInterface(wanted));
      return wanted;
    },
    ListRoutes: async () => {
      const pod = required(network);
      return { Routes: await named("list routes", () => pod.listRoutes()) };
    },
    UpdateRoutes: async ({ routes: wanted }) => {
      if (wanted === null) throw quotedError("invalid-argument", "empty update routes request");
      const pod = required(network);
      await named("Failed to update routes", () => pod.updateRoutes(wanted.Routes));
      return { Routes: await named("list routes", () => pod.listRoutes()) };
    },
    AddARPNeighbors: async ({ neighbors: wanted }) => {
      if (wanted === null) throw quotedError("invalid-argument", "empty add arp neighbours request");
      const pod = required(network);
      await named("Failed to add ARP neighbours", () => pod.addNeighbors(wanted.ARPNeighbors));
      return {};
    },
  };
}

function required(network: PodNetwork | undefined): PodNetwork {
  if (network === undefined) throw new GuestError("unimplemented", "the guest does not manage the pod's network");
  return network;
}

/** Failures keep their words, which shims look for (`Link not found`), behind the name of what failed. */
async function named<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const code = error instanceof GuestError ? error.code : "internal";
    throw quotedError(code, `${what}: ${messageOf(error)}`, error);
  }
}
