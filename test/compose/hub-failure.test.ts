import { mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { connectHub } from "../../guest/compose/agent/hub-connection.ts";
import type { Configuration } from "../../guest/compose/configuration.ts";
import { hubCommand } from "../../guest/compose/hub/command.ts";
import { clearHubFailure, leaveHubFailure, readHubFailure } from "../../guest/compose/hub-failure.ts";
import { exitCodes } from "../../guest/core/command.ts";
import { type ErrorCode, GuestError } from "../../guest/core/errors.ts";
import { silentLog } from "../../guest/core/log.ts";
import { Scope } from "../../guest/core/scope.ts";
import { parseInitdata } from "../../guest/initdata/initdata.ts";
import { localGate } from "../../guest/rpc/local-gate.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { servePort } from "../../guest/rpc/port.ts";
import { bytesOf, minimalDocument } from "../initdata/documents.ts";
import { leaveFile, modeOf, runProvision, type Scene, setScene } from "./provision/provision-fixture.ts";
import { runCommand } from "./running-command.ts";

afterEach(() => void vi.restoreAllMocks());

/** A scene whose hub and agent have a directory of their own. */
function sceneOfHub(): Scene {
  const scene = setScene();
  const { agent, hub } = scene.configuration;
  const runtimeDirectory = join(scene.directory, "podkeep");
  const configuration: Configuration = {
    ...scene.configuration,
    agent: { ...agent, runtimeDirectory },
    hub: { ...hub, dataHubSocket: join(scene.directory, "cdh.sock") },
  };
  return { ...scene, configuration };
}

/** Lets the hub fail of this error. */
async function failOf(error: unknown, configuration: Configuration, line = "podkeep hub: it rains"): Promise<void> {
  const { signal } = new AbortController();
  await leaveHubFailure({ configuration, error, line, apfFile: undefined, log: silentLog, signal });
}

function connect({ configuration }: Scene): Promise<unknown> {
  return connectHub(configuration, undefined, new Scope());
}

async function startHub({ configuration }: Scene, path = configuration.hub.dataHubSocket): Promise<Scope> {
  const scope = new Scope();
  const registry = new MethodRegistry({ gate: localGate, log: silentLog });
  mkdirSync(dirname(path), { recursive: true });
  await servePort({ registry, listen: { path }, plain: true, log: silentLog, scope });
  return scope;
}

test("A12: `podkeep hub` leaves the line of its console, for root only", async () => {
  const scene = setScene();
  leaveFile(join(scene.directory, "initdata.toml"), minimalDocument.replace("url = 'http", "url = 5 # 'http"));
  await using hub = runCommand(hubCommand, scene, 1);
  expect(await hub.exitCode).toBe(exitCodes.failure);
  expect(hub.stderr()).toMatch(/^podkeep hub: .*aa\.toml/);
  const runtimeDirectory = join(scene.directory, "../podkeep");
  const configuration = { ...scene.configuration, agent: { ...scene.configuration.agent, runtimeDirectory } };
  expect(readHubFailure(configuration)).toEqual({ line: hub.stderr().trim(), isFinal: true });
  expect(modeOf(join(runtimeDirectory, "hub-failure.json"))).toBe(0o600);
  expect(statSync(runtimeDirectory).mode & 0o777).toBe(0o700);
});

describe("whether another start of the hub may help", () => {
  const wrapped = (outer: ErrorCode, inner: ErrorCode): GuestError =>
    new GuestError(outer, "outer", { cause: new GuestError(inner, "inner") });
  test.each([
    ["wrong configuration", new GuestError("invalid-argument", "x"), true],
    ["threat 81: the digest of other initdata", new GuestError("failed-precondition", "x"), true],
    ["a TEE that nobody can attest", new GuestError("unimplemented", "x"), true],
    ["a key broker that is down", wrapped("failed-precondition", "unavailable"), false],
    ["a full disk", wrapped("internal", "resource-exhausted"), false],
    ["what nobody thought of", new Error("x"), false],
    ["no error at all", "x", false],
  ])("%s", async (_name, error, isFinal) => {
    const { configuration } = sceneOfHub();
    await failOf(error, configuration);
    expect(readHubFailure(configuration)).toEqual({ line: "podkeep hub: it rains", isFinal });
    clearHubFailure(configuration);
    expect(readHubFailure(configuration)).toBeUndefined();
  });
});

describe("an agent that waits for the hub", () => {
  test("fails at once with the hub's own reason when that will not pass", async () => {
    const scene = sceneOfHub();
    await failOf(new GuestError("failed-precondition", "x"), scene.configuration);
    const line = "the hub does not start: podkeep hub: it rains";
    await expect(connect(scene)).rejects.toMatchObject({ code: "unavailable", message: line });
  });

  test("waits on when it may pass, and gets the hub that was started again", async () => {
    const scene = sceneOfHub();
    await failOf(new GuestError("unavailable", "x"), scene.configuration);
    const connected = connect(scene);
    await using _hub = await startHub(scene);
    await expect(connected).resolves.toBeDefined();
  });

  test.each([
    [true, "the hub does not start: podkeep hub: it rains"],
    [false, "the hub does not come up"],
  ])("names the reason when the time is over, if the hub has left one: %s", async (hasFailed, message) => {
    const scene = sceneOfHub();
    if (hasFailed) await failOf(new GuestError("unavailable", "x"), scene.configuration);
    const start = performance.now();
    vi.spyOn(performance, "now")
      .mockReturnValueOnce(start)
      .mockReturnValue(start + 60_000);
    await expect(connect(scene)).rejects.toMatchObject({ code: "unavailable", message });
  });

  test("looks where the initdata's cdh.toml has the hub listen", async () => {
    const scene = sceneOfHub();
    const path = join(scene.directory, "elsewhere.sock");
    await using _hub = await startHub(scene, path);
    const document = minimalDocument.replace("/run/confidential-containers/cdh.sock", path);
    await using scope = new Scope();
    await expect(connectHub(scene.configuration, parseInitdata(bytesOf(document)), scope)).resolves.toBeDefined();
  });

  test("does not take the word of a hub from before provisioning", async () => {
    const scene = sceneOfHub();
    await failOf(new GuestError("failed-precondition", "x"), scene.configuration);
    expect((await runProvision(scene)).failure).toBe("");
    expect(readHubFailure(scene.configuration)).toBeUndefined();
  });
});
