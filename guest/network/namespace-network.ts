import type { ARPNeighbor, Interface, Route } from "../rpc/messages/types.ts";
import type { MessageInit } from "../rpc/method.ts";
import { listInterfaces, updateInterface } from "./interfaces.ts";
import { IpProgram } from "./ip-program.ts";
import { addNeighbors } from "./neighbors.ts";
import { listRoutes, updateRoutes } from "./routes.ts";

/** Interfaces, routes and neighbours of one network namespace, for the agent's network methods (spec/agent-rpc.md 6.9). */
export class NamespaceNetwork {
  readonly #ip: IpProgram;

  /** @param namespace path such as `/run/netns/podns`; undefined for the one that we are in */
  constructor(namespace: string | undefined) {
    this.#ip = new IpProgram(namespace);
  }

  /** @see listInterfaces */
  listInterfaces(): Promise<MessageInit<Interface>[]> {
    return listInterfaces(this.#ip);
  }

  /** @see updateInterface */
  updateInterface(wanted: Interface): Promise<void> {
    return updateInterface(this.#ip, wanted);
  }

  /** @see listRoutes */
  listRoutes(): Promise<MessageInit<Route>[]> {
    return listRoutes(this.#ip);
  }

  /** @see updateRoutes */
  updateRoutes(routes: readonly Route[]): Promise<void> {
    return updateRoutes(this.#ip, routes);
  }

  /** @see addNeighbors */
  addNeighbors(neighbors: readonly ARPNeighbor[]): Promise<void> {
    return addNeighbors(this.#ip, neighbors);
  }
}
