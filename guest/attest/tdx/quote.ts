import { GuestError } from "../../core/errors.ts";

/** The body of a TDX quote: what the VM is (spec/tee-abi.md 4.4). Names are those of Intel's specification. */
export interface TdxQuoteBody {
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: Uint8Array;
  readonly tdAttributes: bigint;
  readonly xfam: bigint;
  /** Digest of the VM as it was built. */
  readonly mrTd: Uint8Array;
  /** Where the host put the initdata digest. */
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  /** RTMR0 to RTMR3. */
  readonly rtmr: readonly Uint8Array[];
  readonly reportData: Uint8Array;
}

/** A quote, cut into what is signed and what signs. */
export interface TdxQuote {
  readonly version: 4 | 5;
  /** 2: ECDSA P-256. */
  readonly attestationKeyType: number;
  readonly body: TdxQuoteBody;
  /** Header and body: the signature is over these bytes. */
  readonly signed: Uint8Array;
  /** Signature, attestation key and certification data. */
  readonly signatureData: Uint8Array;
}

const headerBytes = 48;
const tdxTeeType = 0x81;
const bodyBytes10 = 584;
const bodyBytes15 = 648;
const maxQuoteBytes = 64 * 1024;

/**
 * Reads a quote of version 4 or 5. Zeros behind it are allowed, as services pad.
 *
 * @throws GuestError `invalid-argument`
 */
export function parseTdxQuote(bytes: Uint8Array): TdxQuote {
  const quote = Buffer.from(bytes);
  if (quote.length < headerBytes + bodyBytes10 || quote.length > maxQuoteBytes)
    throw malformed("has an impossible length");
  const version = quote.readUInt16LE(0);
  if (version !== 4 && version !== 5) throw malformed(`has version ${version}`);
  if (quote.readUInt32LE(4) !== tdxTeeType) throw malformed("is not of TDX");
  const { start, length } = version === 4 ? { start: headerBytes, length: bodyBytes10 } : locateBody(quote);
  const end = start + length;
  if (end + 4 > quote.length) throw malformed("is cut off");
  const signatureEnd = end + 4 + quote.readUInt32LE(end);
  if (signatureEnd > quote.length) throw malformed("is cut off");
  if (quote.subarray(signatureEnd).some((byte) => byte !== 0)) throw malformed("has something behind its end");
  return {
    version,
    attestationKeyType: quote.readUInt16LE(2),
    body: parseBody(quote.subarray(start, end)),
    signed: quote.subarray(0, end),
    signatureData: quote.subarray(end + 4, signatureEnd),
  };
}

/** Version 5 says what body it has: type (2 for TDX 1.0, 3 for TDX 1.5) and size. */
function locateBody(quote: Buffer): { readonly start: number; readonly length: number } {
  const type = quote.readUInt16LE(headerBytes);
  const length = quote.readUInt32LE(headerBytes + 2);
  const expected = type === 2 ? bodyBytes10 : type === 3 ? bodyBytes15 : undefined;
  if (length !== expected) throw malformed("has an unknown body");
  return { start: headerBytes + 6, length };
}

function parseBody(body: Buffer): TdxQuoteBody {
  const register = (offset: number): Uint8Array => body.subarray(offset, offset + 48);
  return {
    teeTcbSvn: body.subarray(0, 16),
    mrSeam: register(16),
    mrSignerSeam: register(64),
    seamAttributes: body.subarray(112, 120),
    tdAttributes: body.readBigUInt64LE(120),
    xfam: body.readBigUInt64LE(128),
    mrTd: register(136),
    mrConfigId: register(184),
    mrOwner: register(232),
    mrOwnerConfig: register(280),
    rtmr: [328, 376, 424, 472].map(register),
    reportData: body.subarray(520, 584),
  };
}

function malformed(reason: string): GuestError {
  return new GuestError("invalid-argument", `TDX quote ${reason}`);
}
