import { GuestError } from "../../core/errors.ts";

/** CPUID signature of the CPU models that QEMU knows, as family, model and stepping. Versions such as -v2 have the same one. */
const cpuModels: Readonly<Record<string, readonly [family: number, model: number, stepping: number]>> = {
  EPYC: [23, 1, 2],
  "EPYC-IBPB": [23, 1, 2],
  "EPYC-Rome": [23, 49, 0],
  "EPYC-Milan": [25, 1, 1],
  "EPYC-Genoa": [25, 17, 0],
  "EPYC-Turin": [26, 0, 0],
};

/** Names for error messages and help. */
export const cpuModelNames: readonly string[] = Object.keys(cpuModels);

/** Where the first CPU starts. The others start where the firmware says. */
export const resetAddress = 0xffff_fff0;

const pageBytes = 4096;

/** Segments (selector, attributes, limit, base) by their offset in the save area. */
const segments: readonly (readonly [offset: number, selector: number, attributes: number])[] = [
  [0x00, 0, 0x93], // ES
  [0x20, 0, 0x93], // SS
  [0x30, 0, 0x93], // DS
  [0x40, 0, 0x93], // FS
  [0x50, 0, 0x93], // GS
  [0x60, 0, 0], // GDTR
  [0x70, 0, 0x82], // LDTR
  [0x80, 0, 0], // IDTR
  [0x90, 0, 0x8b], // TR
];

/**
 * The CPUID signature of a CPU model.
 *
 * @param name as for QEMU's `-cpu`, such as `EPYC-Milan` or `EPYC-v4`
 * @throws GuestError `invalid-argument` for one whose signature isn't known
 */
export function cpuSignatureOf(name: string): number {
  const model = name.replace(/-v[0-9]+$/, "");
  const parts = Object.hasOwn(cpuModels, model) ? cpuModels[model] : undefined;
  if (parts === undefined) {
    throw new GuestError("invalid-argument", `CPU type ${name} is none of ${cpuModelNames.join(", ")}`);
  }
  const [family, number, stepping] = parts;
  const extendedFamily = Math.max(family - 0xf, 0);
  return (
    (extendedFamily << 20) | ((number >> 4) << 16) | (Math.min(family, 0xf) << 8) | ((number & 0xf) << 4) | stepping
  );
}

/**
 * The page in which a CPU's state is kept while it doesn't run (VMSA, AMD64 APM volume 2 table B-4), as KVM and QEMU fill it at
 * launch.
 *
 * @param startAddress where the CPU begins, in real mode
 * @param sevFeatures SEV_FEATURES: 1 is SNP alone
 */
export function encodeVcpuState(startAddress: number, cpuSignature: number, sevFeatures: bigint): Uint8Array {
  const page = Buffer.alloc(pageBytes);
  const segment = (offset: number, selector: number, attributes: number, base: number): void => {
    page.writeUInt16LE(selector, offset);
    page.writeUInt16LE(attributes, offset + 2);
    page.writeUInt32LE(0xffff, offset + 4);
    page.writeBigUInt64LE(BigInt(base), offset + 8);
  };
  for (const [offset, selector, attributes] of segments) segment(offset, selector, attributes, 0);
  segment(0x10, 0xf000, 0x9b, (startAddress & 0xffff_0000) >>> 0); // CS
  const registers: readonly (readonly [offset: number, value: bigint])[] = [
    [0x0d0, 0x1000n], // EFER: SVME
    [0x148, 0x40n], // CR4: MCE
    [0x158, 0x10n], // CR0
    [0x160, 0x400n], // DR7
    [0x168, 0xffff_0ff0n], // DR6
    [0x170, 0x2n], // RFLAGS
    [0x178, BigInt(startAddress & 0xffff)], // RIP
    [0x268, 0x7_0406_0007_0406n], // G_PAT
    [0x310, BigInt(cpuSignature)], // RDX
    [0x3b0, sevFeatures],
    [0x3e8, 1n], // XCR0
  ];
  for (const [offset, value] of registers) page.writeBigUInt64LE(value, offset);
  page.writeUInt32LE(0x1f80, 0x408); // MXCSR
  page.writeUInt16LE(0x37f, 0x410); // x87 control word
  return page;
}
