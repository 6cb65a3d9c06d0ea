import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createCertificate, toPem } from "../certificates.ts";
import { bodyOffset, createFakeQuote, type FakeQuote } from "./fake-quote.ts";

/** MRSIGNER of Intel's quoting enclave for TDX, as its published identity has it. */
const intelSigner = "dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5";

/** What a test wants wrong. */
export interface QuoteFaults {
  /** Signs the quote in place of the attestation key. */
  readonly quoteKey?: KeyObject;
  /** Signs the enclave's report in place of the PCK. */
  readonly pckKey?: KeyObject;
  /** In place of the digest of the attestation key. */
  readonly qeReportData?: Uint8Array;
  /** Who has signed the enclave, in place of Intel. */
  readonly qeSigner?: Uint8Array;
  /** In place of 2, the quoting enclave for TDX. */
  readonly qeProduct?: number;
  /** In place of an enclave that can't be looked into. */
  readonly qeFlags?: number;
  /** In place of the three certificates. */
  readonly chain?: string;
}

/** Intel's authorities and one platform with a quoting enclave, with keys made now: quotes that really verify. */
export class FakeIntel {
  readonly root: Buffer;
  readonly #attestationKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly #pckKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly #chain: string;

  constructor() {
    const rootKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const intermediateKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const rootName = "Intel SGX Root CA";
    const intermediateName = "Intel SGX PCK Platform CA";
    this.root = createCertificate({ commonName: rootName, ...rootKey, isAuthority: true });
    const intermediate = createCertificate({
      commonName: intermediateName,
      publicKey: intermediateKey.publicKey,
      issuer: { commonName: rootName, privateKey: rootKey.privateKey },
      isAuthority: true,
    });
    const pck = createCertificate({
      commonName: "Intel SGX PCK Certificate",
      publicKey: this.#pckKey.publicKey,
      issuer: { commonName: intermediateName, privateKey: intermediateKey.privateKey },
    });
    this.#chain = [pck, intermediate, this.root].map(toPem).join("");
  }

  /** A quote with these contents. */
  quote(options: FakeQuote = {}, faults: QuoteFaults = {}): Buffer {
    const unsigned = createFakeQuote(options);
    const bodyBytes = options.version === 5 && options.bodyType === 3 ? 648 : 584;
    const signed = unsigned.subarray(0, bodyOffset(options) + bodyBytes);
    const data = this.#signatureData(signed, faults);
    return Buffer.concat([signed, u32(data.length), data]);
  }

  #signatureData(signed: Uint8Array, faults: QuoteFaults): Buffer {
    const { x = "", y = "" } = this.#attestationKey.publicKey.export({ format: "jwk" });
    const attestationKey = Buffer.concat([Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
    const authData = Buffer.alloc(32, 0xa7);
    const qeReport = Buffer.alloc(384, 0x9e);
    qeReport.writeUInt8(faults.qeFlags ?? 0x15, 48);
    qeReport.set(faults.qeSigner ?? Buffer.from(intelSigner, "hex"), 128);
    qeReport.writeUInt16LE(faults.qeProduct ?? 2, 256);
    qeReport.fill(0, 320);
    qeReport.set(faults.qeReportData ?? createHash("sha256").update(attestationKey).update(authData).digest(), 320);
    const chain = Buffer.from(`${faults.chain ?? this.#chain}\0`);
    const certification = Buffer.concat([
      qeReport,
      signRaw(qeReport, faults.pckKey ?? this.#pckKey.privateKey),
      u16(authData.length),
      authData,
      u16(5),
      u32(chain.length),
      chain,
    ]);
    const signature = signRaw(signed, faults.quoteKey ?? this.#attestationKey.privateKey);
    return Buffer.concat([signature, attestationKey, u16(6), u32(certification.length), certification]);
  }
}

function signRaw(message: Uint8Array, key: KeyObject): Buffer {
  return sign("sha256", message, { key, dsaEncoding: "ieee-p1363" });
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
