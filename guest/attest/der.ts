import { GuestError } from "../core/errors.ts";

/** A DER value: tag and content (X.690). */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** Tags that certificates of TEEs need. */
const derTags = {
  integer: 0x02,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
  extensions: 0xa3,
} as const;

/**
 * Reads the values that stand one after another.
 *
 * @throws GuestError `invalid-argument` for anything that isn't DER: indefinite or overlong lengths, tags of several bytes, rest
 */
function parseDerValues(bytes: Uint8Array): readonly DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { value, end } = parseDerAt(bytes, at);
    values.push(value);
    at = end;
  }
  return values;
}

/** Reads exactly one value. @throws GuestError `invalid-argument` */
export function parseDer(bytes: Uint8Array): DerValue {
  const { value, end } = parseDerAt(bytes, 0);
  if (end !== bytes.length) throw malformed();
  return value;
}

/** A small INTEGER that isn't negative. @throws GuestError `invalid-argument` */
export function parseSmallInteger({ tag, content }: DerValue): number {
  const negative = (content[0] ?? 0x80) >= 0x80;
  if (tag !== derTags.integer || negative || content.length > 5) throw malformed();
  return content.reduce((number, byte) => number * 256 + byte, 0);
}

/** An OBJECT IDENTIFIER in dotted form. @throws GuestError `invalid-argument` */
function parseObjectIdentifier({ tag, content }: DerValue): string {
  if (tag !== derTags.objectIdentifier || content.length === 0 || (content.at(-1) ?? 0) >= 0x80) throw malformed();
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw malformed();
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first = 0, ...rest] = arcs;
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - root * 40, ...rest].join(".");
}

/**
 * The extensions of an X.509 certificate by dotted OID (RFC 5280 4.1.2.9), since Node shows only those it knows.
 *
 * @param certificate DER
 * @returns the content of each extnValue
 * @throws GuestError `invalid-argument`; also when an extension occurs twice
 */
export function parseCertificateExtensions(certificate: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const [body] = childrenOf(parseDer(certificate));
  const wrapper = body === undefined ? undefined : childrenOf(body).find(({ tag }) => tag === derTags.extensions);
  const extensions = new Map<string, Uint8Array>();
  if (wrapper === undefined) return extensions;
  for (const extension of childrenOf(parseDer(wrapper.content))) {
    const members = childrenOf(extension);
    const [oid, value] = [members[0], members.at(-1)];
    if (oid === undefined || value?.tag !== derTags.octetString) throw malformed();
    const name = parseObjectIdentifier(oid);
    if (extensions.has(name)) throw malformed();
    extensions.set(name, value.content);
  }
  return extensions;
}

function childrenOf({ tag, content }: DerValue): readonly DerValue[] {
  if (tag !== derTags.sequence) throw malformed();
  return parseDerValues(content);
}

function parseDerAt(bytes: Uint8Array, at: number): { readonly value: DerValue; readonly end: number } {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw malformed();
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const start = at + 2 + lengthBytes;
  if (first === 0x80 || lengthBytes > 4 || start > bytes.length) throw malformed();
  const length = lengthBytes === 0 ? first : bytes.subarray(at + 2, start).reduce((sum, byte) => sum * 256 + byte, 0);
  const shortest = lengthBytes === 0 || (length >= 0x80 && (bytes[at + 2] ?? 0) !== 0);
  if (!shortest || start + length > bytes.length) throw malformed();
  return { value: { tag, content: bytes.subarray(start, start + length) }, end: start + length };
}

function malformed(): GuestError {
  return new GuestError("invalid-argument", "not DER");
}
