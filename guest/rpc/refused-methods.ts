import { GuestError } from "../core/errors.ts";
import type { CallableMethod, MethodDefinition, MethodTable, ServiceDefinition } from "./method.ts";

/**
 * Methods that all answer FAILED_PRECONDITION with the same sentence, whatever they are called and whatever the request holds:
 * no request is decoded. It needs no gate since there is nothing behind it.
 */
export class RefusedMethods implements MethodTable {
  readonly methods: readonly MethodDefinition[];
  readonly #method: CallableMethod;

  /**
   * @param reason what the peer gets to read
   * @param services those that a gRPC client may ask for; ttRPC clients are refused for any name
   */
  constructor(reason: string, services: readonly ServiceDefinition[]) {
    this.methods = services.flatMap(({ methods }) => Object.values(methods));
    this.#method = { invoke: () => Promise.reject(new GuestError("failed-precondition", reason)) };
  }

  find(): CallableMethod {
    return this.#method;
  }
}
