import { expect, test } from "vitest";
import { KbsError } from "../../guest/kbs/index.ts";
import { withRetries } from "../../guest/kbs/retry.ts";
import { systemTiming } from "../../guest/kbs/timing.ts";

test("a caller whose time is up during a pause learns what went wrong so far", async () => {
  const caller = new AbortController();
  let attempts = 0;
  const failing = async (): Promise<never> => {
    attempts++;
    setImmediate(() => caller.abort());
    throw new KbsError("unreachable", "no answer from the key broker: connection refused", { transient: true });
  };
  await expect(withRetries(5, systemTiming, caller.signal, failing)).rejects.toMatchObject({
    failure: "unreachable",
    message: "no answer from the key broker: connection refused",
  });
  expect(attempts).toBe(1);
});
