import { ImageError } from "../errors.ts";

/** How many bytes may still come; shared by the layers of one image. */
export class ByteBudget {
  readonly #total: number;
  readonly #what: string;
  #left: number;

  constructor(total: number, what: string) {
    this.#total = total;
    this.#left = total;
    this.#what = what;
  }

  /** @throws ImageError `limit` when there are fewer left */
  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new ImageError("limit", `${this.#what} unpacks to more than ${this.#total} bytes`);
  }
}
