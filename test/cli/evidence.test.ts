import { expect, onTestFinished, test } from "vitest";
import { run as evidence } from "../../guest/cli/evidence.ts";
import { run as token } from "../../guest/cli/token.ts";
import { GuestError } from "../../guest/core/errors.ts";
import { silentLog } from "../../guest/core/log.ts";
import { Scope } from "../../guest/core/scope.ts";
import { localGate } from "../../guest/rpc/local-gate.ts";
import { AttestationAgentService } from "../../guest/rpc/messages/attestation.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { servePort } from "../../guest/rpc/port.ts";
import { runCommand, TestFolder } from "./command-under-test.ts";

/** An attestation agent that repeats what it is asked for. */
async function serveAgent(): Promise<string> {
  const folder = new TestFolder();
  const scope = new Scope();
  const path = `${folder.path}/aa.sock`;
  const registry = new MethodRegistry({ gate: localGate, log: silentLog });
  registry.add(AttestationAgentService, {
    GetEvidence: async ({ RuntimeData }) => ({
      Evidence: Buffer.from(`{"report_data":"${Buffer.from(RuntimeData).toString("hex")}"}`),
    }),
    GetAdditionalEvidence: async () => ({ Evidence: Buffer.from('{"sampledevice":{}}') }),
    GetToken: async ({ TokenType }) => {
      if (TokenType === "coco_as") throw new GuestError("internal", "AA-KBC get token failed");
      return { Token: Buffer.from(`{"token":"${TokenType}"}`) };
    },
  });
  await servePort({ registry, listen: { path }, plain: true, log: silentLog, scope });
  onTestFinished(async () => {
    await scope.close();
    folder[Symbol.dispose]();
  });
  return path;
}

test("I13: evidence is printed, over the data given or over random data that is told", async () => {
  const socket = await serveAgent();
  const given = await runCommand(evidence, ["--socket", socket, "--report-data", "00ff"]);
  expect(given).toEqual({ exitCode: 0, stdout: '{"report_data":"00ff"}\n', stderr: "" });
  const random = await runCommand(evidence, ["--socket", socket]);
  const [, told] = /^report data: ([0-9a-f]{96})\n$/.exec(random.stderr) ?? [];
  expect(random.stdout).toBe(`{"report_data":"${told}"}\n`);
  const devices = await runCommand(evidence, ["--socket", socket, "--devices"]);
  expect(devices.stdout).toBe('{"sampledevice":{}}\n');
});

test("a token of the kind asked for is printed; a refusal is exit code 1", async () => {
  const socket = await serveAgent();
  expect(await runCommand(token, ["--socket", socket])).toEqual({
    exitCode: 0,
    stdout: '{"token":"kbs"}\n',
    stderr: "",
  });
  expect(await runCommand(token, ["--socket", socket, "coco_as"])).toMatchObject({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringContaining("get token failed"),
  });
});

test("no agent is exit code 3, a wrong command line 2, help 0", async () => {
  const nowhere = ["--socket", "/nonexistent/aa.sock"];
  for (const command of [evidence, token]) {
    expect(await runCommand(command, nowhere)).toMatchObject({ exitCode: 3, stdout: "" });
    expect(await runCommand(command, [...nowhere, "--no-such-option"])).toMatchObject({ exitCode: 2, stdout: "" });
    expect((await runCommand(command, ["--help"])).stdout).toContain("usage: podkeep");
  }
  expect(await runCommand(evidence, [...nowhere, "--report-data", "0"])).toMatchObject({ exitCode: 2 });
  expect(await runCommand(token, [...nowhere, "maa"])).toMatchObject({ exitCode: 2 });
});
