import { run as measure } from "../../guest/cli/measure.ts";
import { runCommand, TestFolder } from "../cli/command-under-test.ts";

/** The PCRs that provisioning has shown on a VM's console: hex by number; none when it hasn't yet. */
export function registersOn(consoleText: string): ReadonlyMap<number, string> {
  const line = /podkeep provision: PCRs \(sha256\): (.*)/.exec(consoleText)?.[1] ?? "";
  return new Map([...line.matchAll(/(\d+) ([0-9a-f]{64})/g)].map(([, pcr, value]) => [Number(pcr), value ?? ""]));
}

/** The PCRs that `podkeep measure` computes for an initdata document and, if one is given, a UKI: hex by number. */
export async function computedRegisters(initdata: string, uki?: string): Promise<ReadonlyMap<number, string>> {
  using folder = new TestFolder();
  const images = uki === undefined ? [] : ["--uki", uki];
  const { stdout, stderr } = await runCommand(measure, [
    "--initdata",
    folder.file("initdata.toml", initdata),
    ...images,
  ]);
  if (stderr !== "") throw new Error(stderr);
  return new Map([...stdout.matchAll(/^snp_pcr(\d+) +(\S+)$/gm)].map(([, pcr, value]) => [Number(pcr), value ?? ""]));
}
