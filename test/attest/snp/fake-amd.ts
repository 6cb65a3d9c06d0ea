import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { HostCertificate } from "../../../guest/attest/snp/certificate-table.ts";
import { createCertificate, integer, octetString } from "../certificates.ts";

/** What a test wants in a report. */
export interface FakeReport {
  readonly version?: 2 | 3 | 4 | 5;
  readonly reportData?: Uint8Array;
  readonly hostData?: Uint8Array;
  readonly measurement?: Uint8Array;
  readonly policy?: bigint;
  readonly vmpl?: number;
  /** Family and model; Genoa when absent. */
  readonly cpu?: readonly [number, number];
  /** Offset of a TCB version that has microcode 1. */
  readonly outdatedAt?: number;
}

/** Component versions that the fake chip reports and its certificate names. */
const components = { bootloader: 10, tee: 1, snp: 23, microcode: 130 } as const;

const chipId = Buffer.alloc(64, 0xc5);

/** AMD's authorities and one chip, with keys made now: certificates and reports that really verify. */
export class FakeAmd {
  readonly root: Buffer;
  readonly ask: HostCertificate;
  readonly vcek: HostCertificate;
  readonly #askKey = generateKeyPairSync("rsa", { modulusLength: 2048 });
  readonly #chipKey = generateKeyPairSync("ec", { namedCurve: "P-384" });

  constructor() {
    const arkKey = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const signature = "rsa-pss-sha384";
    this.root = createCertificate({
      commonName: "ARK-Test",
      publicKey: arkKey.publicKey,
      privateKey: arkKey.privateKey,
      signature,
      isAuthority: true,
    });
    const ask = createCertificate({
      commonName: "SEV-Test",
      publicKey: this.#askKey.publicKey,
      issuer: { commonName: "ARK-Test", privateKey: arkKey.privateKey },
      signature,
      isAuthority: true,
    });
    this.ask = { type: "ASK", data: ask };
    this.vcek = { type: "VCEK", data: this.endorse() };
  }

  /** A VCEK. Real ones of old hold the chip's id as it is, new ones in an OCTET STRING. */
  endorse(
    options: {
      readonly microcode?: number;
      readonly id?: Uint8Array;
      readonly wrapped?: boolean;
      readonly notAfter?: Date;
    } = {},
  ): Buffer {
    const { microcode = components.microcode, id = chipId, wrapped = false } = options;
    const amd = "1.3.6.1.4.1.3704.1";
    return createCertificate({
      commonName: "SEV-VCEK",
      serial: 0,
      publicKey: this.#chipKey.publicKey,
      issuer: { commonName: "SEV-Test", privateKey: this.#askKey.privateKey },
      signature: "rsa-pss-sha384",
      extensions: [
        [`${amd}.3.1`, integer(components.bootloader)],
        [`${amd}.3.2`, integer(components.tee)],
        [`${amd}.3.3`, integer(components.snp)],
        [`${amd}.3.8`, integer(microcode)],
        [`${amd}.4`, wrapped ? octetString(id) : id],
      ],
      ...(options.notAfter === undefined ? {} : { notAfter: options.notAfter }),
    });
  }

  /** A report, signed by the chip or by another key. */
  report(options: FakeReport = {}, key: KeyObject = this.#chipKey.privateKey): Buffer {
    const report = Buffer.alloc(1184);
    const version = options.version ?? 3;
    const tcb = Buffer.from([components.bootloader, components.tee, 0, 0, 0, 0, components.snp, components.microcode]);
    report.writeUInt32LE(version, 0);
    report.writeBigUInt64LE(options.policy ?? 0x3_0000n, 0x008);
    report.writeUInt32LE(options.vmpl ?? 0, 0x030);
    report.writeUInt32LE(1, 0x034);
    report.writeBigUInt64LE(0x25n, 0x040);
    report.set(options.reportData ?? Buffer.alloc(64), 0x050);
    report.set(options.measurement ?? Buffer.alloc(48, 0xab), 0x090);
    report.set(options.hostData ?? Buffer.alloc(32), 0x0c0);
    for (const offset of [0x038, 0x180, 0x1e0, 0x1f0]) report.set(tcb, offset);
    if (options.outdatedAt !== undefined) report.writeUInt8(1, options.outdatedAt + 7);
    if (version > 2) report.set([...(options.cpu ?? [0x19, 0x11]), 1], 0x188);
    report.set(chipId, 0x1a0);
    report.set([40, 55, 1], 0x1e8);
    report.set([39, 55, 1], 0x1ec);
    if (version === 5) report.writeBigUInt64LE(0xffff_ffff_ffff_ffffn, 0x1f8);
    const signature = sign("sha384", report.subarray(0, 0x2a0), { key, dsaEncoding: "ieee-p1363" });
    report.set(Buffer.from(signature.subarray(0, 48)).reverse(), 0x2a0);
    report.set(Buffer.from(signature.subarray(48)).reverse(), 0x2e8);
    return report;
  }

  /** The host's certificate table with these entries. */
  static table(entries: readonly (readonly [guid: string, data: Uint8Array])[]): Buffer {
    let offset = (entries.length + 1) * 24;
    const header = entries.map(([guid, data]) => {
      const entry = Buffer.alloc(24);
      entry.set(Buffer.from(guid.replaceAll("-", ""), "hex"));
      entry.writeUInt32LE(offset, 16);
      entry.writeUInt32LE(data.length, 20);
      offset += data.length;
      return entry;
    });
    return Buffer.concat([...header, Buffer.alloc(24), ...entries.map(([, data]) => data)]);
  }
}
