import { expect, test, vi } from "vitest";
import { daemonCommand, type StartDaemon } from "../../guest/compose/daemon.ts";
import { type CommandIo, exitCodes } from "../../guest/core/command.ts";
import { freePort } from "../stack/free-port.ts";
import { setScene } from "./provision/provision-fixture.ts";
import { runCommand } from "./running-command.ts";

test("a daemon that is told to stop before it starts doesn't start", async () => {
  const start = vi.fn<StartDaemon>();
  const io: CommandIo = {
    stdin: (async function* () {})(),
    stdout: () => {},
    stderr: () => {},
    environment: {},
    signal: AbortSignal.abort(),
  };
  expect(await daemonCommand({ name: "agent", summary: "", start })([], io)).toBe(exitCodes.failure);
  expect(start).not.toHaveBeenCalled();
});

test("a daemon serves until it is told to stop, and then closes what it has opened", async () => {
  const { promise: started, resolve: onStarted } = Promise.withResolvers<void>();
  const close = vi.fn();
  const start: StartDaemon = async ({ scope }) => {
    scope.add("port", close);
    onStarted();
  };
  await using daemon = runCommand(daemonCommand({ name: "agent", summary: "", start }), setScene(), await freePort());
  await started;
  expect(close).not.toHaveBeenCalled();
  daemon.stop();
  expect(await daemon.exitCode).toBe(exitCodes.success);
  expect(close).toHaveBeenCalledOnce();
});
