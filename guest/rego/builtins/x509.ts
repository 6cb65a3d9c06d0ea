/**
 * crypto.x509.*: certificates, requests and keys, read by node:crypto. Of the members that Go's certificates have, the ones
 * that a policy can sensibly ask for are there: names, alternative names, serial number, validity, public key.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { JsonInput } from "../json-input.ts";
import { integer } from "../number.ts";
import { fromJson, RegoObject, type Value } from "../value.ts";
import { DerError, type NameAttribute, readDer, readDerAll, readDerInside, readDerName } from "./der.ts";
import { maxParsedTextLength } from "./limits.ts";
import { builtin, chargeText, string, valueError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

const maxCertificates = 64;
const certificateCost = 1000;

/** The blocks of PEM text or of base64; of base64 also the DER elements inside. */
function readBlocks(name: string, context: BuiltinContext, text: string): readonly Buffer[] {
  if (text.length > maxParsedTextLength) throw valueError(name, "input is too large");
  chargeText(context, text.length);
  let pem = text;
  if (!text.includes("-----BEGIN")) {
    if (!/^[A-Za-z0-9+/\r\n]*={0,2}\s*$/.test(text) || text === "") throw valueError(name, "illegal base64");
    const bytes = Buffer.from(text, "base64");
    if (!bytes.includes("-----BEGIN")) return rejecting(name, () => splitDer(bytes));
    pem = bytes.toString("latin1");
  }
  const blocks = [...pem.matchAll(/-----BEGIN [A-Z0-9 ]+-----([A-Za-z0-9+/=\s]*)-----END /g)];
  return blocks.map(([, body = ""]) => Buffer.from(body, "base64"));
}

function splitDer(bytes: Buffer): readonly Buffer[] {
  let start = 0;
  return readDerAll(bytes).map(({ end }) => {
    const element = bytes.subarray(start, end);
    start = end;
    return element;
  });
}

/** Turns what node:crypto throws for malformed input into a built-in error. `run` must do nothing else that can fail. */
function rejecting<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof Error) throw valueError(name, "malformed certificate or key", cause);
    throw cause;
  }
}

function readCertificates(name: string, context: BuiltinContext, text: string): readonly X509Certificate[] {
  const blocks = readBlocks(name, context, text);
  if (blocks.length === 0 || blocks.length > maxCertificates) throw valueError(name, "no certificate, or too many");
  context.charge(certificateCost * blocks.length);
  return rejecting(name, () => blocks.map((block) => new X509Certificate(block)));
}

/** Go's names for the attributes of a distinguished name: by object identifier, and as node:crypto abbreviates them. */
const nameMembers: readonly (readonly [oidHex: string, short: string, member: string, isList: boolean])[] = [
  ["550403", "CN", "CommonName", false],
  ["550405", "serialNumber", "SerialNumber", false],
  ["550406", "C", "Country", true],
  ["550407", "L", "Locality", true],
  ["550408", "ST", "Province", true],
  ["550409", "street", "StreetAddress", true],
  ["55040a", "O", "Organization", true],
  ["55040b", "OU", "OrganizationalUnit", true],
  ["550411", "postalCode", "PostalCode", true],
];

function nameToValue(valuesOf: (oidHex: string, short: string) => readonly string[]): Value {
  const members = nameMembers.map(([oidHex, short, member, isList]): [Value, Value] => {
    const values = valuesOf(oidHex, short);
    return [member, isList ? orNull(values) : (values.at(-1) ?? "")];
  });
  return RegoObject.from(members);
}

/** Go's empty lists are null in JSON. */
function orNull(values: readonly Value[]): Value {
  return values.length === 0 ? null : values;
}

/** `name` is node's: a record from abbreviation to value or values. */
function nodeNameToValue(name: unknown): Value {
  const record = new Map(Object.entries(name ?? {}));
  return nameToValue((_oid, short) => {
    const value: unknown = record.get(short);
    const values = Array.isArray(value) ? value : [value];
    return values.filter((item) => typeof item === "string");
  });
}

function alternativeNames(certificate: X509Certificate, kind: string): readonly string[] {
  // Values with special characters are JSON strings, all others stand as they are.
  const entries = certificate.subjectAltName?.match(/[A-Za-z ]+:(?:"(?:[^"\\]|\\.)*"|[^,]*)/g) ?? [];
  return entries.flatMap((entry) => {
    const colon = entry.indexOf(":");
    if (entry.slice(0, colon).trim() !== kind) return [];
    const value = entry.slice(colon + 1);
    // A JSON string by the pattern above.
    return [value.startsWith('"') ? (JSON.parse(value) as string) : value];
  });
}

function certificateToValue(certificate: X509Certificate): Value {
  const { subject, issuer } = certificate.toLegacyObject();
  const rfc3339 = (date: Date) => date.toISOString().replace(".000Z", "Z");
  return RegoObject.from([
    ["Subject", nodeNameToValue(subject)],
    ["Issuer", nodeNameToValue(issuer)],
    ["SerialNumber", integer(BigInt(`0x${certificate.serialNumber}`))],
    ["NotBefore", rfc3339(certificate.validFromDate)],
    ["NotAfter", rfc3339(certificate.validToDate)],
    ["IsCA", certificate.ca],
    ["DNSNames", orNull(alternativeNames(certificate, "DNS"))],
    ["EmailAddresses", orNull(alternativeNames(certificate, "email"))],
    ["IPAddresses", orNull(alternativeNames(certificate, "IP Address"))],
    ["URIStrings", orNull(alternativeNames(certificate, "URI"))],
    ["Raw", certificate.raw.toString("base64")],
    ["RawSubjectPublicKeyInfo", certificate.publicKey.export({ type: "spki", format: "der" }).toString("base64")],
  ]);
}

/**
 * Root first, leaf last; the result has the leaf first. Every link is checked, and that all are valid now: without a clock no
 * chain holds.
 */
function parseAndVerify(context: BuiltinContext, text: string): Value {
  const name = "crypto.x509.parse_and_verify_certificates";
  const certificates = readCertificates(name, context, text);
  const chain = certificates.toReversed();
  const { nowNs } = context;
  const isValid = chain.length >= 2 && nowNs !== undefined && rejecting(name, () => isTrustedChain(chain, nowNs));
  return [isValid, isValid ? chain.map(certificateToValue) : []];
}

function isTrustedChain(chain: readonly X509Certificate[], nowNs: bigint): boolean {
  const nowMs = Number(nowNs / 1_000_000n);
  return chain.every((certificate, index) => {
    // The root signs itself.
    const issuer = chain[index + 1] ?? certificate;
    const isCurrent = certificate.validFromDate.getTime() <= nowMs && nowMs <= certificate.validToDate.getTime();
    return isCurrent && issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  });
}

function parseRequest(context: BuiltinContext, text: string): Value {
  const name = "crypto.x509.parse_certificate_request";
  const [block] = readBlocks(name, context, text);
  if (block === undefined) throw valueError(name, "no certificate request");
  const attributes = rejecting(name, () => readRequestName(block));
  const subject = nameToValue((oid) => attributes.filter(([other]) => other === oid).map(([, value]) => value));
  return RegoObject.from([
    ["Subject", subject],
    ["Raw", block.toString("base64")],
  ]);
}

/** The subject of a CertificationRequest (RFC 2986 section 4). */
function readRequestName(block: Buffer): readonly NameAttribute[] {
  const [information] = readDerInside(readDer(block), 0x30);
  const [version, subject] = readDerInside(information, 0x30);
  if (version?.tag !== 0x02) throw new DerError("not a certificate request");
  return readDerName(subject);
}

function parseKeyPair(context: BuiltinContext, certificateText: string, keyText: string): Value {
  const name = "crypto.x509.parse_keypair";
  const certificates = readCertificates(name, context, certificateText);
  const key = rejecting(name, () => createPrivateKey(pemOf(keyText)));
  if (certificates[0]?.checkPrivateKey(key) !== true) throw valueError(name, "private key does not match public key");
  return RegoObject.from([["Certificate", certificates.map((certificate) => certificate.raw.toString("base64"))]]);
}

function pemOf(text: string): string {
  return text.includes("-----BEGIN") ? text : Buffer.from(text, "base64").toString("latin1");
}

function parseRsaPrivateKey(context: BuiltinContext, text: string): Value {
  const name = "crypto.x509.parse_rsa_private_key";
  readBlocks(name, context, text);
  const jwk = rejecting(name, () => createPrivateKey(pemOf(text)).export({ format: "jwk" }));
  if (jwk.kty !== "RSA") throw valueError(name, "not an RSA private key");
  // A JWK of an RSA key has text members only.
  return fromJson(jwk as JsonInput);
}

export const x509Builtins: readonly Builtin[] = [
  builtin("crypto.x509.parse_certificates", [string], (context, text) =>
    readCertificates("crypto.x509.parse_certificates", context, text).map(certificateToValue),
  ),
  builtin("crypto.x509.parse_and_verify_certificates", [string], parseAndVerify),
  builtin("crypto.x509.parse_certificate_request", [string], parseRequest),
  builtin("crypto.x509.parse_keypair", [string, string], parseKeyPair),
  builtin("crypto.x509.parse_rsa_private_key", [string], parseRsaPrivateKey),
];
