import { GuestError } from "../core/errors.ts";
import { quoteForPeer } from "../policy/peer-text.ts";
import { maxOomEvents } from "./limits.ts";

interface Waiter {
  readonly resolve: (containerId: string) => void;
  readonly reject: (error: unknown) => void;
}

/** The queue behind GetOOMEvent (spec/agent-rpc.md 7.5). An event goes to exactly one caller that still wants it. */
export class OomEvents {
  readonly #events: string[] = [];
  readonly #waiters = new Set<Waiter>();
  #closed = false;

  /** Adds an event. Above a hundred that nobody fetches, new ones are dropped. */
  push(containerId: string): void {
    const [waiter] = this.#waiters;
    if (waiter !== undefined) {
      this.#waiters.delete(waiter);
      waiter.resolve(containerId);
    } else if (this.#events.length < maxOomEvents) {
      this.#events.push(containerId);
    }
  }

  /**
   * The id of the next container that ran out of memory, whenever that is. Callers are served in their order.
   *
   * @throws GuestError `internal` with an empty text when the sandbox ends; the signal's reason
   */
  next(signal: AbortSignal): Promise<string> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.reject(sandboxEnded());
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve(event);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const waiter = { resolve, reject };
    this.#waiters.add(waiter);
    const giveUp = (): void => {
      this.#waiters.delete(waiter);
      reject(signal.reason);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", giveUp));
  }

  /** Ends all waiting calls. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiters) reject(sandboxEnded());
    this.#waiters.clear();
  }
}

/** The reference's empty words for the shim, ours for the log. */
function sandboxEnded(): Error {
  return new GuestError("internal", "the sandbox has ended", { peerMessage: quoteForPeer("") });
}
