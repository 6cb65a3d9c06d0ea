import { GuestError } from "../core/errors.ts";

/** Initdata that can't be used. The guest refuses to start with it. */
export class InitdataError extends GuestError {
  override readonly name = "InitdataError";
  /** The part at fault: a key of the document such as `algorithm` or `data."aa.toml"`, or the name of the encoding. */
  readonly key: string;

  /** @param problem what is wrong and what to do about it */
  constructor(key: string, problem: string, cause?: unknown) {
    super("invalid-argument", `initdata: ${key}: ${problem}`, { cause });
    this.key = key;
  }
}
