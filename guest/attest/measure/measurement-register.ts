import { createHash } from "node:crypto";

/** A register as it grows from boot on, register = H(register ‖ digest): a PCR of the SHA-256 bank, or an RTMR with SHA-384. */
export class MeasurementRegister {
  readonly #hash: "sha256" | "sha384";
  #value: Uint8Array;

  constructor(hash: "sha256" | "sha384") {
    this.#hash = hash;
    this.#value = new Uint8Array(hash === "sha256" ? 32 : 48);
  }

  /** Extends by a digest of the register's length. */
  extend(digest: Uint8Array): this {
    this.#value = createHash(this.#hash).update(this.#value).update(digest).digest();
    return this;
  }

  /** Extends by the digest of data. */
  measure(data: Uint8Array | string): this {
    return this.extend(createHash(this.#hash).update(data).digest());
  }

  /** The value, hex. */
  get hex(): string {
    return Buffer.from(this.#value).toString("hex");
  }
}
