import { GuestError } from "../../core/errors.ts";

/** Size of an attestation report, whatever its version (spec/tee-abi.md 1.1). */
export const reportBytes = 1184;

/** Up to here the signature is made over. */
export const signedBytes = 0x2a0;

/** Component versions of the platform. Where they stand depends on the CPU's generation (spec/tee-abi.md 1.3). */
export interface TcbVersion {
  /** Turin only; null before. */
  readonly fmc: number | null;
  readonly bootloader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}

/** Firmware version. */
export interface FirmwareVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/** CPU generations whose layout of TCB versions is known. */
type Generation = "milan" | "genoa" | "turin";

/** An attestation report of SEV-SNP, field by field. Names are those of the firmware's specification. */
export interface SnpReport {
  readonly version: number;
  readonly guestSvn: number;
  readonly policy: bigint;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  readonly vmpl: number;
  /** 1: ECDSA P-384 with SHA-384. */
  readonly signatureAlgorithm: number;
  readonly currentTcb: TcbVersion;
  readonly platformInfo: bigint;
  readonly keyInfo: number;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportId: Uint8Array;
  readonly reportIdMigrationAgent: Uint8Array;
  readonly reportedTcb: TcbVersion;
  /** Undefined in version 2. */
  readonly cpuid: { readonly family: number; readonly model: number; readonly stepping: number } | undefined;
  readonly chipId: Uint8Array;
  readonly committedTcb: TcbVersion;
  readonly current: FirmwareVersion;
  readonly committed: FirmwareVersion;
  readonly launchTcb: TcbVersion;
  /** Undefined before version 5. */
  readonly mitigation: { readonly launch: bigint; readonly current: bigint } | undefined;
  /** Little-endian, 72 bytes each. */
  readonly signature: { readonly r: Uint8Array; readonly s: Uint8Array };
}

/** Ranges that are reserved in all versions. A set bit there could not be carried in evidence (spec/attestation-agent.md 5.2). */
const reservedRanges: readonly (readonly [number, number])[] = [
  [0x04c, 0x050],
  [0x1eb, 0x1ec],
  [0x1ef, 0x1f0],
  [0x208, signedBytes],
  [0x330, reportBytes],
];

/**
 * Reads a report.
 *
 * @param bytes exactly {@link reportBytes}
 * @throws GuestError `invalid-argument` for another length, an unknown version, or reserved bits that are set
 */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  if (bytes.length !== reportBytes) throw malformed(`has ${bytes.length} bytes instead of ${reportBytes}`);
  const data = Buffer.from(bytes);
  const version = data.readUInt32LE(0);
  if (version < 2 || version > 5) throw malformed(`has version ${version}`);
  checkReserved(data, version);
  const field = (offset: number, length: number): Uint8Array => Uint8Array.from(data.subarray(offset, offset + length));
  const generation = generationOf(data, version);
  const tcb = (offset: number): TcbVersion => parseTcb(data.subarray(offset, offset + 8), generation);
  return {
    version,
    guestSvn: data.readUInt32LE(0x004),
    policy: data.readBigUInt64LE(0x008),
    familyId: field(0x010, 16),
    imageId: field(0x020, 16),
    vmpl: data.readUInt32LE(0x030),
    signatureAlgorithm: data.readUInt32LE(0x034),
    currentTcb: tcb(0x038),
    platformInfo: data.readBigUInt64LE(0x040),
    keyInfo: data.readUInt32LE(0x048),
    reportData: field(0x050, 64),
    measurement: field(0x090, 48),
    hostData: field(0x0c0, 32),
    idKeyDigest: field(0x0e0, 48),
    authorKeyDigest: field(0x110, 48),
    reportId: field(0x140, 32),
    reportIdMigrationAgent: field(0x160, 32),
    reportedTcb: tcb(0x180),
    cpuid:
      version < 3
        ? undefined
        : { family: data.readUInt8(0x188), model: data.readUInt8(0x189), stepping: data.readUInt8(0x18a) },
    chipId: field(0x1a0, 64),
    committedTcb: tcb(0x1e0),
    current: firmwareAt(data, 0x1e8),
    committed: firmwareAt(data, 0x1ec),
    launchTcb: tcb(0x1f0),
    mitigation: version < 5 ? undefined : { launch: data.readBigUInt64LE(0x1f8), current: data.readBigUInt64LE(0x200) },
    signature: { r: field(0x2a0, 72), s: field(0x2e8, 72) },
  };
}

/**
 * The CPU's generation by a report (spec/tee-abi.md 1.2). Version 2 does not say; only Turin leaves most of the chip's id empty.
 *
 * @throws GuestError `invalid-argument` for a CPU whose layout isn't known: guessing would report wrong versions
 */
function generationOf(report: Buffer, version: number): Generation {
  if (version < 3) {
    const chipId = report.subarray(0x1a0, 0x1e0);
    const looksLikeTurin = chipId.subarray(8).every((byte) => byte === 0) && chipId.some((byte) => byte !== 0);
    return looksLikeTurin ? "turin" : "milan";
  }
  const [family, model] = [report.readUInt8(0x188), report.readUInt8(0x189)];
  if (family === 0x19 && model <= 0x0f) return "milan";
  if (family === 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf))) return "genoa";
  if (family === 0x1a && model <= 0x11) return "turin";
  throw malformed(`comes from an unknown CPU (family ${family}, model ${model})`);
}

function parseTcb(bytes: Buffer, generation: Generation): TcbVersion {
  const at = (index: number): number => bytes.readUInt8(index);
  const unused = generation === "turin" ? [4, 5, 6] : [2, 3, 4, 5];
  if (unused.some((index) => at(index) !== 0)) throw malformed("has reserved bits set in a TCB version");
  if (generation === "turin") return { fmc: at(0), bootloader: at(1), tee: at(2), snp: at(3), microcode: at(7) };
  return { fmc: null, bootloader: at(0), tee: at(1), snp: at(6), microcode: at(7) };
}

function firmwareAt(report: Buffer, offset: number): FirmwareVersion {
  const [build, minor, major] = [offset, offset + 1, offset + 2].map((at) => report.readUInt8(at));
  return { major: major ?? 0, minor: minor ?? 0, build: build ?? 0 };
}

function checkReserved(report: Buffer, version: number): void {
  const ranges = [...reservedRanges, version < 3 ? [0x188, 0x1a0] : [0x18b, 0x1a0]];
  if (version < 5) ranges.push([0x1f8, 0x208]);
  for (const [start, end] of ranges) {
    if (report.subarray(start, end).some((byte) => byte !== 0)) throw malformed("has reserved bits set");
  }
}

function malformed(reason: string): GuestError {
  return new GuestError("invalid-argument", `SNP report ${reason}`);
}
