import type { GuestError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { CallContext } from "./method.ts";

/** What is known of a call when it begins. */
export interface CallOrigin {
  readonly metadata: ReadonlyMap<string, readonly string[]>;
  readonly protocol: CallContext["protocol"];
  readonly connection: number;
  readonly log: Log;
}

/**
 * A call that a server is working on: its handler's context, and the way to tell the handler to stop. Most handlers never
 * ask for the signal, so it is made when they do.
 */
export class RunningCall implements CallContext {
  readonly metadata: CallOrigin["metadata"];
  readonly protocol: CallOrigin["protocol"];
  readonly connection: number;
  readonly log: Log;
  #controller: AbortController | undefined;
  #reason: GuestError | undefined;

  constructor(origin: CallOrigin) {
    this.metadata = origin.metadata;
    this.protocol = origin.protocol;
    this.connection = origin.connection;
    this.log = origin.log;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Tells the handler to stop. Only the first reason counts. */
  abort(reason: GuestError): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }
}
