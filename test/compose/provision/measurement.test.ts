import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { InitdataRegister } from "../../../guest/compose/provision/machine.ts";
import { minimalDocument } from "../../initdata/documents.ts";
import { leaveFile, leftFiles, runProvision, type Scene, setScene } from "./provision-fixture.ts";

/** PCR 8 after one extension with the sample document's digest, and with that of "no initdata" (spec/initdata.md 10). */
const minimalPcr8 = "56236d94c0a855827cee7e57a28186706395366d34bc09b4dcc04632415cf4e9";
const absentPcr8 = "4b58b30becd30d16f7f60d56b32661d921ae0d3310c6a89f5d552f9bfee921a9";

/** A register that hashes as a TPM's does, and counts. */
class RegisterInMemory implements InitdataRegister {
  value = Buffer.alloc(32);
  extensions = 0;
  opened = 0;

  async read(): Promise<Uint8Array> {
    return this.value;
  }

  async readCompared(): Promise<ReadonlyMap<number, Uint8Array>> {
    return new Map([
      [4, Buffer.alloc(32, 0xab)],
      [8, this.value],
    ]);
  }

  async extend(digest: Uint8Array): Promise<void> {
    this.extensions += 1;
    this.value = createHash("sha256").update(this.value).update(digest).digest();
  }

  async close(): Promise<void> {
    this.opened -= 1;
  }
}

function sceneWith(document: string | undefined, settings: Parameters<typeof setScene>[0] = {}): Scene {
  const scene = setScene(settings);
  if (document !== undefined) leaveFile(scene.configuration.provision.initdata, document);
  return scene;
}

describe("PCR 8", () => {
  test("is extended once with the digest, also when provisioning runs again in the same boot", async () => {
    const scene = sceneWith(minimalDocument);
    const register = new RegisterInMemory();
    for (let run = 0; run < 3; run += 1) expect((await runProvision(scene, { register })).failure).toBe("");
    expect(register.extensions).toBe(1);
    expect(register.value.toString("hex")).toBe(minimalPcr8);
    expect(register.opened).toBe(-3);
  });

  test("I11: the console shows the registers that a verifier compares, after the extension", async () => {
    const { notices } = await runProvision(sceneWith(minimalDocument), { register: new RegisterInMemory() });
    expect(notices).toEqual([`PCRs (sha256): 4 ${"ab".repeat(32)} 8 ${minimalPcr8}`]);
  });

  test("threat 83: tells a verifier that there was no initdata", async () => {
    const register = new RegisterInMemory();
    expect((await runProvision(sceneWith(undefined), { register })).failure).toBe("");
    expect(register.value.toString("hex")).toBe(absentPcr8);
  });

  test.each(["sha384", "sha512"])("threat 85: a %s document is refused, not cut to fit", async (algorithm) => {
    const scene = sceneWith(minimalDocument.replace("sha256", algorithm));
    const register = new RegisterInMemory();
    const { failure } = await runProvision(scene, { register });
    expect(failure).toBe(
      `initdata: algorithm: is ${algorithm}; this VM has a TPM, whose PCR 8 takes no other digest than sha256`,
    );
    expectUntouched(scene, register);
  });

  test("other initdata in the same boot starts nothing: the register tells of the first", async () => {
    const register = new RegisterInMemory();
    await runProvision(sceneWith(minimalDocument), { register });
    const scene = sceneWith(`${minimalDocument}# changed\n`);
    const { failure } = await runProvision(scene, { register });
    expect(failure).toContain(`PCR 8 holds ${minimalPcr8} before initdata is measured`);
    expect(failure).toContain("only a reboot clears it");
    expect(register.extensions).toBe(1);
    expect(Object.keys(leftFiles(scene))).toEqual(["initdata"]);
  });

  test("threat 85: a TPM that fails starts nothing, and is closed", async () => {
    const scene = sceneWith(minimalDocument);
    const register = new RegisterInMemory();
    register.extend = async () => {
      throw new Error("TPM2_PCR_Extend: TPM_RC_LOCALITY");
    };
    expect((await runProvision(scene, { register })).failure).toBe("TPM2_PCR_Extend: TPM_RC_LOCALITY");
    expect(register.opened).toBe(-1);
    expectUntouched(scene, register);
  });

  test("threat 85: a TPM that says it has extended and has not starts nothing", async () => {
    const scene = sceneWith(minimalDocument);
    const register = new RegisterInMemory();
    register.extend = async () => {};
    expect((await runProvision(scene, { register })).failure).toContain(`not ${minimalPcr8}`);
    expectUntouched(scene, register);
  });

  test("threat 85: a TPM that is required and missing starts nothing", async () => {
    const scene = sceneWith(minimalDocument, { tpm: "required" });
    expect((await runProvision(scene)).failure).toBe("this VM has no TPM, and provision.tpm requires one");
    expect(Object.keys(leftFiles(scene))).toEqual(["initdata"]);
  });

  test("is left alone where the configuration says so", async () => {
    const register = new RegisterInMemory();
    expect((await runProvision(sceneWith(minimalDocument, { tpm: "off" }), { register })).failure).toBe("");
    expect(register.extensions).toBe(0);
  });

  test("wrong initdata is never measured", async () => {
    const scene = sceneWith("algorithm = ");
    const register = new RegisterInMemory();
    expect((await runProvision(scene, { register })).failure).toContain("can't be used");
    expectUntouched(scene, register);
  });
});

function expectUntouched(scene: Scene, register: RegisterInMemory): void {
  expect(register.extensions).toBe(0);
  expect(Object.keys(leftFiles(scene))).toEqual(["initdata"]);
}
