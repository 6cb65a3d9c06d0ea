import { GuestError } from "../../core/errors.ts";

/** User data that was delivered whole and can't be used: trying again would bring the same. */
export class UserDataError extends GuestError {
  override readonly name = "UserDataError";

  constructor(problem: string, cause?: unknown) {
    super("invalid-argument", `user data: ${problem}`, { cause });
  }
}
