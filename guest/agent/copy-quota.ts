import { GuestError } from "../core/errors.ts";

/** What an entry costs besides its bytes: inodes and names are memory, too. */
export const entryOverheadBytes = 4096;

/**
 * The room that copied files may take (threat 53). Remembers what each file was charged by its inode: its size tells nothing once a
 * container has written to it.
 */
export class CopyQuota {
  readonly limitBytes: number;
  #usedBytes = 0;
  readonly #costs = new Map<bigint, number>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** @throws GuestError `resource-exhausted` when there is no such room */
  charge(bytes: number): void {
    if (this.#usedBytes + bytes > this.limitBytes) throw tooMuch();
    this.#usedBytes += bytes;
  }

  refund(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  /** Charges for what an action makes, unless it fails. @throws as {@link charge}; what the action throws */
  chargeFor(bytes: number, action: () => void): void {
    this.charge(bytes);
    try {
      action();
    } catch (error) {
      this.refund(bytes);
      throw error;
    }
  }

  /**
   * Notes that a file which has been charged for stands in the place of another one, whose room is free again.
   *
   * @param former undefined where nothing was; one that a container has made was never charged for
   */
  replace(former: bigint | undefined, inode: bigint, bytes: number): void {
    if (former !== undefined) {
      this.refund(this.#costs.get(former) ?? 0);
      this.#costs.delete(former);
    }
    this.#costs.set(inode, bytes);
  }
}

/** Copied files would take more room than they may. */
export function tooMuch(): GuestError {
  return new GuestError("resource-exhausted", "copied files take too much room");
}
