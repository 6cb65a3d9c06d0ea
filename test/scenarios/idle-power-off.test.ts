import { appendFileSync, rmSync } from "node:fs";
import { getuid } from "node:process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { serveCommand } from "../../guest/compose/serve-command.ts";
import { exitCodes } from "../../guest/core/command.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import { connectWorker } from "../compose/running-command.ts";
import { writeStackFiles } from "../stack/stack.ts";
import { initdataWith } from "./pod-fixture.ts";

const minuteMs = 60_000;
if (getuid?.() !== 0) console.warn("test/scenarios: an agent that ends by itself needs root");

describe.skipIf(getuid?.() !== 0)("N10: without a worker for the time that is configured", () => {
  // The clock of the agent's idleness; all else goes by the real one.
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
  afterEach(() => void vi.useRealTimers());

  test.each([
    ["the image", "idle_power_off_minutes = 2\n", ""],
    ["the initdata", "", "[agent]\nidle_power_off_minutes = 2\n"],
  ])("podkeep ends well, which powers the VM off: set by %s", { timeout: 60_000 }, async (_name, image, settings) => {
    const initdata = initdataWith(settings === "" ? {} : { "podkeep.toml": settings });
    const files = await writeStackFiles({ initdata });
    appendFileSync(files.configuration, image);
    const told = new AbortController();
    let stderr = "";
    const stdout: string[] = [];
    const exitCode = serveCommand(["--config", files.configuration], {
      stdin: (async function* () {})(),
      stdout: (text) => void stdout.push(text),
      stderr: (text) => {
        stderr += text;
      },
      environment: {},
      signal: told.signal,
    });
    try {
      const client = await connectWorker(files.port, files.identities);
      expect(await client.call(Health.methods.Check, {})).toMatchObject({ status: 1 });
      vi.advanceTimersByTime(100 * minuteMs);
      expect(await client.call(Health.methods.Check, {})).toMatchObject({ status: 1 });
      await client.close();
      // The port hears of it a moment later, and the clock starts anew then.
      const advance = (): string => {
        vi.advanceTimersByTime(2 * minuteMs);
        return stderr;
      };
      await expect.poll(advance).toMatch(/^podkeep serve: no worker has been connected for 2 minutes .*\n$/);
      expect(await exitCode, stdout.join("")).toBe(exitCodes.success);
    } finally {
      told.abort();
      await exitCode.catch(() => {});
      rmSync(files.directory, { recursive: true, force: true });
    }
  });
});
