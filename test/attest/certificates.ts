import { constants, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { isIP } from "node:net";

/** How certificates are signed here: what TLS uses, and what AMD and Intel use. */
export type SignatureKind = "ecdsa-sha256" | "ecdsa-sha384" | "rsa-pss-sha384";

/** What goes into a certificate. */
export interface CertificateOptions {
  readonly commonName: string;
  /** Stands in place of the common name in the subject, as in cloud-api-adaptor's own certificate. */
  readonly organization?: string;
  readonly publicKey: KeyObject;
  /** The issuer's name and key; absent: self-signed with `privateKey`. */
  readonly issuer?: { readonly commonName: string; readonly privateKey: KeyObject };
  readonly privateKey?: KeyObject;
  readonly signature?: SignatureKind;
  readonly isAuthority?: boolean;
  /** DNS names and IPv4 addresses. */
  readonly alternativeNames?: readonly string[];
  /** Further extensions: dotted OID and DER value. */
  readonly extensions?: readonly (readonly [string, Uint8Array])[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly serial?: number;
}

/** A certificate with its private key, both in PEM. */
export interface ServerIdentity {
  readonly certificate: string;
  readonly privateKey: string;
}

/** A self-signed certificate for a server on loopback, made now. */
export function createServerIdentity(
  commonName = "localhost",
  alternativeNames = ["localhost", "127.0.0.1"],
): ServerIdentity {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const der = createCertificate({ commonName, publicKey, privateKey, alternativeNames, isAuthority: true });
  return { certificate: toPem(der), privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString() };
}

/** An X.509 v3 certificate (RFC 5280 4.1) in DER. Real signatures, so that verifiers can be tested with it. */
export function createCertificate(options: CertificateOptions): Buffer {
  const { kind, algorithm } = signatureOf(options.signature ?? "ecdsa-sha256");
  const issuerKey = options.issuer?.privateKey ?? options.privateKey;
  if (issuerKey === undefined) throw new TypeError("a certificate needs an issuer or its own private key");
  const body = sequence(
    tlv(0xa0, integer(2)),
    integer(options.serial ?? 1),
    algorithm,
    name(options.issuer?.commonName ?? options.commonName),
    sequence(
      generalizedTime(options.notBefore ?? new Date(Date.now() - 86_400_000)),
      generalizedTime(options.notAfter ?? new Date(Date.now() + 86_400_000)),
    ),
    options.organization === undefined ? name(options.commonName) : name(options.organization, "2.5.4.10"),
    options.publicKey.export({ format: "der", type: "spki" }),
    tlv(0xa3, sequence(...extensionsOf(options))),
  );
  return sequence(body, algorithm, bitString(signWith(kind, body, issuerKey)));
}

/** DER as PEM. */
export function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** DER of an INTEGER (X.690 8.3), at most 48 bits. */
export function integer(value: number): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return tlv(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

/** DER of an OCTET STRING. */
export function octetString(content: Uint8Array): Buffer {
  return tlv(0x04, content);
}

/** DER of a SEQUENCE. */
export function sequence(...items: readonly Uint8Array[]): Buffer {
  return tlv(0x30, ...items);
}

/** DER of an OBJECT IDENTIFIER in dotted form. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = rest.flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return tlv(0x06, Buffer.of(first * 40 + second, ...bytes));
}

/** DER of anything: tag, length, content. */
export function tlv(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const hex = body.length.toString(16);
  const length = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, body]);
}

function extensionsOf(options: CertificateOptions): Buffer[] {
  const extensions = (options.extensions ?? []).map(([oid, value]) => extension(oid, value));
  if (options.isAuthority) extensions.push(extension("2.5.29.19", sequence(tlv(0x01, Buffer.of(0xff)))));
  if (options.alternativeNames !== undefined) {
    const names = options.alternativeNames.map((text) =>
      isIP(text) === 4 ? tlv(0x87, Buffer.from(text.split(".").map(Number))) : tlv(0x82, Buffer.from(text)),
    );
    extensions.push(extension("2.5.29.17", sequence(...names)));
  }
  return extensions;
}

function extension(oid: string, value: Uint8Array): Buffer {
  return sequence(objectIdentifier(oid), octetString(value));
}

/** A name of one attribute: the common name, or another by its OID. */
function name(value: string, attribute = "2.5.4.3"): Buffer {
  return sequence(tlv(0x31, sequence(objectIdentifier(attribute), tlv(0x0c, Buffer.from(value)))));
}

function generalizedTime(date: Date): Buffer {
  return tlv(0x18, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14)}Z`));
}

function bitString(content: Uint8Array): Buffer {
  return tlv(0x03, Buffer.of(0), content);
}

function signatureOf(kind: SignatureKind): { readonly kind: SignatureKind; readonly algorithm: Buffer } {
  if (kind === "ecdsa-sha256") return { kind, algorithm: sequence(objectIdentifier("1.2.840.10045.4.3.2")) };
  if (kind === "ecdsa-sha384") return { kind, algorithm: sequence(objectIdentifier("1.2.840.10045.4.3.3")) };
  const sha384 = sequence(objectIdentifier("2.16.840.1.101.3.4.2.2"), tlv(0x05));
  const mgf1 = sequence(objectIdentifier("1.2.840.113549.1.1.8"), sha384);
  const parameters = sequence(tlv(0xa0, sha384), tlv(0xa1, mgf1), tlv(0xa2, integer(48)));
  return { kind, algorithm: sequence(objectIdentifier("1.2.840.113549.1.1.10"), parameters) };
}

function signWith(kind: SignatureKind, body: Uint8Array, key: KeyObject): Buffer {
  if (kind === "rsa-pss-sha384") {
    return sign("sha384", body, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 });
  }
  return sign(kind === "ecdsa-sha256" ? "sha256" : "sha384", body, key);
}
