import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { agentCommand } from "../../guest/compose/agent/command.ts";
import { daemonCommand, type StartDaemon } from "../../guest/compose/daemon.ts";
import { provisionCommand } from "../../guest/compose/provision/command.ts";
import { serveCommand } from "../../guest/compose/serve-command.ts";
import { exitCodes } from "../../guest/core/command.ts";
import { encodeAnnotation } from "../../guest/initdata/encodings.ts";
import { connectTtrpc } from "../../guest/rpc/connect.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import { bytesOf, minimalAnnotation, minimalDocument } from "../initdata/documents.ts";
import { freePort } from "../stack/free-port.ts";
import { createIdentities } from "../stack/identities.ts";
import { cloudConfig, leaveFile, leftFiles, type Scene, setScene } from "./provision/provision-fixture.ts";
import { connectWorker, readAnswer, runCommand } from "./running-command.ts";

const { Check } = Health.methods;
const refused = { code: "failed-precondition" };
const identities = createIdentities();
const apf = JSON.stringify({
  "tls-server-cert": identities.server.cert,
  "tls-server-key": identities.server.key,
  "tls-client-ca": identities.client.cert,
});
const notGzip = Buffer.from("x").toString("base64");
const refusing = { agent: "refusal_seconds = 600" };
const ttrpcFrame = Buffer.from("00000016000000010100", "hex");
const clientHello = Buffer.from("16030100050100000100", "hex");

function sceneWith(files: Readonly<Record<string, string>>): Scene {
  const scene = setScene();
  leaveFile(scene.cidata, cloudConfig(files));
  return scene;
}

test.each(["ttrpc", "grpc"] as const)(
  "A12, threat 81: wrong initdata: by %s the worker learns what the console says, and nothing is written",
  async (protocol) => {
    const scene = sceneWith({ "apf.json": apf, initdata: notGzip });
    const port = await freePort();
    await using provision = runCommand(provisionCommand, scene, port, refusing);
    const client = await connectWorker(port, identities, protocol);
    const origin = `the initdata of user data (${scene.cidata})`;
    const line = `podkeep provision: ${origin} can't be used: initdata: gzip: not a gzip stream`;
    expect(provision.stderr()).toBe(`${line}\n`);
    await expect(client.call(Check, {})).rejects.toMatchObject({ ...refused, message: line });
    const createSandbox = client.call(AgentService.methods.CreateSandbox, { sandbox_id: "s" });
    await expect(createSandbox).rejects.toMatchObject({ ...refused, message: line });
    expect(leftFiles(scene)).toEqual({});
    provision.stop();
    expect(await provision.exitCode).toBe(exitCodes.failure);
    await client.close();
  },
);

describe("port 15150 refuses", () => {
  test("with the TLS material that cloud-init has left, when user data brings none", async () => {
    const scene = sceneWith({ initdata: notGzip });
    leaveFile(join(scene.directory, "apf.json"), apf);
    const port = await freePort();
    await using _provision = runCommand(provisionCommand, scene, port, refusing);
    const client = await connectWorker(port, identities);
    await expect(client.call(Check, {})).rejects.toMatchObject(refused);
    await client.close();
  });

  test("in plain text when apf.json is what is wrong, even to a worker that speaks TLS", async () => {
    const broken = apf.replace("BEGIN CERTIFICATE", "BEGIN");
    const port = await freePort();
    const scene = sceneWith({ "apf.json": broken, initdata: minimalAnnotation });
    await using provision = runCommand(provisionCommand, scene, port, refusing);
    const text = await readAnswer(port, clientHello);
    expect(text).toMatch(/^podkeep provision: \S+\/apf.json can't be used \(user data .*TLS certificate is no PEM/);
    expect(text).toBe(provision.stderr());
  });

  test("in plain text where TLS is required and the peer has none: it doesn't get as far as a call", async () => {
    const port = await freePort();
    const scene = sceneWith({ "apf.json": apf, initdata: notGzip });
    await using provision = runCommand(provisionCommand, scene, port, refusing);
    expect(await readAnswer(port, ttrpcFrame)).toBe(provision.stderr());
  });

  test("threat 82: by the image's configuration, whatever unverified initdata sets", async () => {
    const document = `${minimalDocument}\n"podkeep.toml" = '''\n[agent]\ntls = "off"\n'''\n`;
    const scene = sceneWith({ "apf.json": apf, initdata: encodeAnnotation(bytesOf(document)) });
    const port = await freePort();
    const provisionSettings = `expected_digest = "${"ab".repeat(32)}"`;
    await using _provision = runCommand(provisionCommand, scene, port, { ...refusing, provision: provisionSettings });
    expect(await readAnswer(port, ttrpcFrame)).toContain("initdata: digest");
    const client = await connectWorker(port, identities);
    await expect(client.call(Check, {})).rejects.toMatchObject(refused);
    await client.close();
  });

  test("in plain calls where the configuration has the port without TLS", async () => {
    const port = await freePort();
    const agent = `${refusing.agent}\ntls = "off"`;
    await using _provision = runCommand(provisionCommand, sceneWith({ initdata: notGzip }), port, { agent });
    const client = await connectWorker(port, undefined);
    await expect(client.call(Check, {})).rejects.toMatchObject(refused);
    await client.close();
  });

  test("for the agent, too; a reason of many lines becomes one of bounded length", async () => {
    const scene = setScene();
    leaveFile(join(scene.directory, "apf.json"), apf);
    const port = await freePort();
    const agent = `${refusing.agent}\nruntime = "/nowhere/${"\\n\\u001b[31m x".repeat(300)}"`;
    await using _agent = runCommand(agentCommand, scene, port, { agent });
    const text = await readAnswer(port, "hello\n");
    expect(text).toMatch(/^podkeep agent: [ -~’…]+\n$/);
    expect(text.length).toBeLessThan(1024);
  });

  test("for the time that is configured; then the process ends", async () => {
    const port = await freePort();
    const scene = sceneWith({ "apf.json": apf, initdata: notGzip });
    await using provision = runCommand(provisionCommand, scene, port, { agent: "refusal_seconds = 1" });
    const client = await connectWorker(port, identities);
    await expect(client.call(Check, {})).rejects.toMatchObject(refused);
    expect(await provision.exitCode).toBe(exitCodes.failure);
    await expect(connectTtrpc({ host: "127.0.0.1", port })).rejects.toMatchObject({ code: "unavailable" });
    await client.close();
  });
});

describe("nobody is refused, and the process ends at once", () => {
  test("by default: who starts it by hand reads standard error", async () => {
    const scene = sceneWith({ "apf.json": apf, initdata: notGzip });
    await using provision = runCommand(provisionCommand, scene, await freePort());
    expect(await provision.exitCode).toBe(exitCodes.failure);
    expect(provision.stderr()).toMatch(/^podkeep provision: /);
  });

  test("by `podkeep serve`", async () => {
    const scene = sceneWith({ "apf.json": apf, initdata: notGzip });
    await using serve = runCommand(serveCommand, scene, await freePort(), refusing);
    expect(await serve.exitCode).toBe(exitCodes.failure);
    expect(serve.stderr()).toMatch(/^podkeep serve: /);
  });

  test("threat 134: when a daemon ends that has served", async () => {
    const onFailure = vi.fn();
    const start: StartDaemon = async ({ scope }) => void setImmediate(() => scope.close());
    const command = daemonCommand({ name: "agent", summary: "", start, onFailure });
    await using daemon = runCommand(command, setScene(), await freePort(), refusing);
    expect(await daemon.exitCode).toBe(exitCodes.success);
    expect(onFailure).not.toHaveBeenCalled();
  });

  test("when it was told to stop", async () => {
    const provision = runCommand(provisionCommand, setScene(), await freePort(), refusing);
    provision.stop();
    expect(await provision.exitCode).toBe(exitCodes.failure);
    expect(provision.stderr()).toBe("");
  });

  test("when the port is taken; the console has the reason all the same", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await using provision = runCommand(provisionCommand, sceneWith({ initdata: notGzip }), port, refusing);
    expect(await provision.exitCode).toBe(exitCodes.failure);
    expect(provision.stderr()).toContain("not a gzip stream");
    other.close();
  });
});

test.each([-1, 0.5, 3601])("agent.refusal_seconds = %d is no time", async (seconds) => {
  const { exitCode } = runCommand(provisionCommand, setScene(), 1, { agent: `refusal_seconds = ${seconds}` });
  await expect(exitCode).rejects.toThrow("can't be used");
});
