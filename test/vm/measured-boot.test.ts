import { existsSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { beforeAll, describe, expect, test } from "vitest";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { imageFiles, imageFolder } from "../../image/folders.ts";
import { type Accelerator, chooseAccelerator } from "../../image/vm/accelerator.ts";
import { containerId, initdataWith } from "../scenarios/pod-fixture.ts";
import { startPodVm } from "./pod-vm.ts";
import { computedRegisters, registersOn } from "./registers.ts";

const uki = join(imageFolder, imageFiles.uki);
const isWanted = env["PODKEEP_VM"] === "disk" && existsSync(uki);
if (!isWanted) console.warn("test/vm: PODKEEP_VM=disk measures boots of the disk image");

/** Two boots with firmware and TPM, whose instructions are translated. */
const timeout = 1_200_000;

describe.skipIf(!isWanted)("measured boot of the disk image, with a software TPM", () => {
  let accelerator: Accelerator = "tcg";
  beforeAll(async () => {
    accelerator = await chooseAccelerator();
  });

  /** Boots until the agent answers. @returns the PCRs that the console showed */
  async function boot(initdata: string): Promise<ReadonlyMap<number, string>> {
    await using vm = await startPodVm({ variant: "disk", accelerator, initdata });
    return registersOn(vm.output());
  }

  test("threat 72: words that the host adds to the command line show in PCR 12 and open nothing", {
    timeout,
  }, async () => {
    const initdata = initdataWith({ "policy.rego": "package agent_policy\ndefault ReadStreamRequest := true\n" });
    const hostile =
      "systemd.debug_shell=ttyS0 systemd.run=/usr/bin/ip agent.debug_console agent.policy_file=/allow-all.rego";
    await using vm = await startPodVm({ variant: "disk", accelerator, initdata, addedCommandLine: hostile });
    const registers = registersOn(vm.output());
    expect(registers.get(12)).not.toBe("0".repeat(64));
    expect(registers.get(8)).toBe((await computedRegisters(initdata)).get(8));
    const client = await vm.connect();
    const denied = client.call(AgentService.methods.ExecProcess, { container_id: containerId(), exec_id: "shell" });
    await expect(denied).rejects.toThrow("ExecProcessRequest");
    await client.close();
    expect(vm.output()).not.toMatch(/[#$] $|login:|sh-/);
  });

  test("A5, I11: all PCRs are as podkeep measure computes them from files; other initdata changes PCR 8 alone", {
    timeout,
  }, async () => {
    const first = initdataWith({ "policy.rego": "package agent_policy\ndefault ReadStreamRequest := false\n" });
    const registers = await boot(first);
    expect([...registers.keys()]).toEqual([3, 4, 8, 9, 11, 12]);
    expect(registers).toEqual(await computedRegisters(first, uki));

    const second = initdataWith({ "policy.rego": "package agent_policy\ndefault ReadStreamRequest := true\n" });
    const others = await boot(second);
    expect(others).toEqual(await computedRegisters(second, uki));
    expect(others.get(8)).not.toBe(registers.get(8));
  });
});
