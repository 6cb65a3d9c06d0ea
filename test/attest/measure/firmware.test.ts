import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { computeMrtd } from "../../../guest/attest/measure/mrtd.ts";
import { computeSnpLaunchDigest, type SnpLaunch } from "../../../guest/attest/measure/snp-launch-digest.ts";
import { cpuSignatureOf } from "../../../guest/attest/measure/vcpu-state.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import { buildSevFirmware, buildTdxFirmware, type SevSection } from "./firmware-builder.ts";

const sections: readonly SevSection[] = [
  [0x80_0000, 0x9000, 1],
  [0x80_d000, 0x1000, 2],
  [0x80_e000, 0x1000, 3],
  [0x80_f000, 0x1000, 0x10],
  [0x81_0000, 0x2000, 4],
];
const firmware = buildSevFirmware(sections);

function launch(changes: Partial<SnpLaunch> = {}): string {
  const defaults = { firmware, vcpus: 1, cpuSignature: cpuSignatureOf("EPYC-Milan"), sevFeatures: 1n };
  const digest = computeSnpLaunchDigest({ ...defaults, directBoot: undefined, ...changes });
  return Buffer.from(digest).toString("hex");
}

function boot(initrd: string, commandLine: string): SnpLaunch["directBoot"] {
  return { kernel: Buffer.from("a kernel"), initrd: Buffer.from(initrd), commandLine };
}

describe("SNP launch digest", () => {
  test("the firmware of the vectors is this one", () => {
    const digest = createHash("sha256").update(firmware).digest("hex");
    expect(digest).toBe("b0423495710cdbf41fee2ee3b6e73e42210ca9db5b13d804139c0df6ccc95d88");
  });

  // Computed by sev-snp-measure 0.0.13 (mode snp, VMM QEMU) for the same files.
  test.each([
    [
      1,
      "EPYC-Milan",
      1n,
      undefined,
      "0ec5d48770735a266fd2f44bbc9aa6283c9ebcd569e3ec1dea6277a4f7adc4074b75bd7ddad1038e5febeab3471757da",
    ],
    [
      4,
      "EPYC-v4",
      1n,
      boot("an initrd", "console=ttyS0"),
      "2e05a486ca6cd5ed2abb9656c8763a4e67192ba461f3963d25ae27d6ff944c1fc7961195fc89a4dd0c58b940e6d17739",
    ],
    [
      2,
      "EPYC-Genoa",
      1n,
      boot("", ""),
      "b4238d0e05479e5344ea16c25ba4d36efb5462a1cd480be8c2887e66c83d349d6d67cf8ec8cda80d003ffc07f61ca98b",
    ],
    [
      3,
      "EPYC-Turin",
      0x21n,
      boot("an initrd", "quiet"),
      "caa341f55e7e496480500e99a4b9fc6301fe0852c1cd004e7f22d95e58bc3e1e5d9270e25d0364e61ea97586683992e3",
    ],
    [
      2,
      "EPYC-Rome-v2",
      1n,
      undefined,
      "a589fd5c3f473feda1afaab266ae84f66461179c8181be71293646204f434b2c9a017e529c70bbf209f2e5f450395866",
    ],
  ])("%i CPUs of type %s", (vcpus, type, sevFeatures, directBoot, expected) => {
    expect(launch({ vcpus, cpuSignature: cpuSignatureOf(type), sevFeatures, directBoot })).toBe(expected);
  });

  test("a kernel that the firmware would not check is not vouched for", () => {
    const unchecked = buildSevFirmware(sections.filter(([, , type]) => type !== 0x10));
    expect(() => launch({ firmware: unchecked, directBoot: boot("", "") })).toThrow("does not check kernel hashes");
    const misplaced = buildSevFirmware(sections, { hashesAddress: 0x80_fff0 });
    expect(() => launch({ firmware: misplaced, directBoot: boot("", "") })).toThrow(GuestError);
    const unplaced = buildSevFirmware(sections, { hashesAddress: 0 });
    expect(() => launch({ firmware: unplaced, directBoot: boot("", "") })).toThrow("does not say where");
  });

  test.each([
    ["no CPU", { vcpus: 0 }],
    ["half a CPU", { vcpus: 1.5 }],
    ["a firmware that is no OVMF", { firmware: Buffer.alloc(0x4000) }],
    ["half a page", { firmware: firmware.subarray(1) }],
    ["nothing", { firmware: Buffer.of() }],
    ["sections of unknown type", { firmware: buildSevFirmware([[0x80_0000, 0x1000, 9]]) }],
    ["sections without end", { firmware: buildSevFirmware([[0x80_0000, 0xffff_f000, 1]]) }],
    ["metadata of something else", { firmware: buildSevFirmware(sections, { signature: "ASEX" }) }],
    ["no metadata for SEV", { firmware: buildTdxFirmware([]) }],
  ])("%s is refused", (_name, changes) => {
    expect(() => launch(changes)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });

  test("a CPU type that isn't known is refused, whatever its name", () => {
    expect(cpuSignatureOf("EPYC-Milan-v2")).toBe(0x00a0_0f11);
    for (const name of ["Skylake", "toString", "__proto__", ""])
      expect(() => cpuSignatureOf(name)).toThrow("is none of");
  });

  test("whatever stands in table and metadata, there is a digest or an error of ours", () => {
    fc.assert(
      fc.property(fc.constantFrom(0x100, 0x3f60), fc.uint8Array({ maxLength: 0x90 }), (at, bytes) => {
        const changed = Buffer.from(firmware);
        changed.set(bytes, at);
        try {
          launch({ firmware: changed, vcpus: 2 });
        } catch (error) {
          if (!(error instanceof GuestError)) throw error;
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("MRTD", () => {
  const measured = { offset: 0x1000, rawSize: 0x2000, address: 0xffff_d000n, size: 0x2000n, attributes: 1 };
  const temporary = { offset: 0, rawSize: 0, address: 0x80_0000n, size: 0x1000n, attributes: 0 };
  const later = { offset: 0, rawSize: 0, address: 0x90_0000n, size: 0x1000n, attributes: 2 };
  const tdvf = buildTdxFirmware([measured, temporary, later]);

  const record = (name: string, address: number): Buffer => {
    const bytes = Buffer.alloc(128);
    bytes.write(name);
    bytes.writeBigUInt64LE(BigInt(address), 16);
    return bytes;
  };
  const add = (address: number): Buffer => record("MEM.PAGE.ADD", address);
  const extend = (address: number, offset: number): Buffer =>
    Buffer.concat(
      Array.from({ length: 16 }, (_, chunk) => chunk * 256).flatMap((at) => [
        record("MR.EXTEND", address + at),
        tdvf.subarray(offset + at, offset + at + 256),
      ]),
    );
  const digest = (...pieces: readonly Buffer[]): Uint8Array =>
    createHash("sha384").update(Buffer.concat(pieces)).digest();

  test("pages are added and measured in the VMM's order; pages that the guest adds don't count", () => {
    const [first, second] = [0xffff_d000, 0xffff_e000];
    expect(computeMrtd(tdvf, "page-by-page")).toEqual(
      digest(add(first), extend(first, 0x1000), add(second), extend(second, 0x2000), add(0x80_0000)),
    );
    expect(computeMrtd(tdvf, "section-by-section")).toEqual(
      digest(add(first), add(second), extend(first, 0x1000), extend(second, 0x2000), add(0x80_0000)),
    );
  });

  test.each([
    ["no TDX metadata", firmware],
    ["a section outside of the file", buildTdxFirmware([{ ...measured, offset: 0x3000 }])],
    ["a section without end", buildTdxFirmware([{ ...temporary, size: 1n << 60n }])],
    ["more content than memory", buildTdxFirmware([{ ...measured, size: 0x1000n }])],
    ["half a page", buildTdxFirmware([{ ...temporary, size: 0x800n }])],
  ])("%s is refused", (_name, file) => {
    expect(() => computeMrtd(file, "page-by-page")).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });
});
