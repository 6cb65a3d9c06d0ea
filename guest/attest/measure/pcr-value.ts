import { createHash } from "node:crypto";

/** A PCR of the SHA-256 bank as it grows from boot on: PCR = SHA-256(PCR ‖ digest). */
export class PcrValue {
  #value: Uint8Array = new Uint8Array(32);

  /** Extends by a digest of 32 bytes. */
  extend(digest: Uint8Array): this {
    this.#value = createHash("sha256").update(this.#value).update(digest).digest();
    return this;
  }

  /** Extends by the SHA-256 digest of data. */
  measure(data: Uint8Array | string): this {
    return this.extend(createHash("sha256").update(data).digest());
  }

  /** The value, hex. */
  get hex(): string {
    return Buffer.from(this.#value).toString("hex");
  }
}
