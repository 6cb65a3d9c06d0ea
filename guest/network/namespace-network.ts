import type { ARPNeighbor, Interface, Route } from "../rpc/messages/types.ts";
import type { MessageInit } from "../rpc/method.ts";
import type { Reserved } from "./guards.ts";
import { listInterfaces, updateInterface } from "./interfaces.ts";
import { IpProgram } from "./ip-program.ts";
import { addNeighbors } from "./neighbors.ts";
import { listRoutes, updateRoutes } from "./routes.ts";

/** Interfaces, routes and neighbours of one network namespace, for the agent's network methods (spec/agent-rpc.md 6.9). */
export class NamespaceNetwork {
  readonly #ip: IpProgram;
  readonly #reserved: Reserved;

  /**
   * @param namespace path such as `/run/netns/podns`; undefined for the one that we are in
   * @param reserved addresses and networks that requests may not have
   */
  constructor(namespace: string | undefined, reserved: Reserved = "machine-metadata-and-link-local") {
    this.#ip = new IpProgram(namespace);
    this.#reserved = reserved;
  }

  /** @see listInterfaces */
  listInterfaces(): Promise<MessageInit<Interface>[]> {
    return listInterfaces(this.#ip);
  }

  /** @see updateInterface */
  updateInterface(wanted: Interface): Promise<void> {
    return updateInterface(this.#ip, wanted, this.#reserved);
  }

  /** @see listRoutes */
  listRoutes(): Promise<MessageInit<Route>[]> {
    return listRoutes(this.#ip);
  }

  /** @see updateRoutes */
  updateRoutes(routes: readonly Route[]): Promise<void> {
    return updateRoutes(this.#ip, routes, this.#reserved);
  }

  /** @see addNeighbors */
  addNeighbors(neighbors: readonly ARPNeighbor[]): Promise<void> {
    return addNeighbors(this.#ip, neighbors, this.#reserved);
  }
}
