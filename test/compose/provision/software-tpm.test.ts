import { expect, test } from "vitest";
import { type InitdataRegister, tpmRegister } from "../../../guest/compose/provision/machine.ts";
import { readPcrs } from "../../../guest/sys/tpm/pcr.ts";
import { minimalDocument } from "../../initdata/documents.ts";
import { hasSoftwareTpm, SoftwareTpm } from "../../sys/tpm/software-tpm.ts";
import { leaveFile, runProvision, setScene } from "./provision-fixture.ts";

test.skipIf(!hasSoftwareTpm)("a TPM holds in PCR 8 what the tools say, after two runs of provisioning", async () => {
  await using software = await SoftwareTpm.start();
  // swtpm takes one connection; the device file of a guest can be opened again.
  const register: InitdataRegister = { ...tpmRegister(software.tpm), close: async () => {} };
  const scene = setScene();
  leaveFile(scene.configuration.provision.initdata, minimalDocument);
  for (let run = 0; run < 2; run += 1) expect((await runProvision(scene, { register })).failure).toBe("");
  const [pcr8] = await readPcrs(software.tpm, [8]);
  // Computed with tpm2_pcrextend and tpm2_pcrread (spec/initdata.md 10.1).
  expect(Buffer.from(pcr8 ?? "").toString("hex")).toBe(
    "56236d94c0a855827cee7e57a28186706395366d34bc09b4dcc04632415cf4e9",
  );
});
