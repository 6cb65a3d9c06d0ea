import { encodePcrSelection, readPcrSelection } from "./pcr.ts";
import type { Tpm } from "./tpm.ts";
import { sized, TpmReader, uint16 } from "./wire.ts";

/** A quote as the TPM made it. */
export interface TpmQuote {
  /** TPMS_ATTEST: these bytes are signed. */
  readonly message: Uint8Array;
  /** RSASSA-PKCS1-v1_5 with SHA-256 over the message: the bare signature. */
  readonly signature: Uint8Array;
  /** TPMT_SIGNATURE: the signature with its algorithms. */
  readonly signatureStructure: Uint8Array;
}

/** What a quote says. */
export interface QuoteStatement {
  /** The qualifying data, byte by byte what was asked for. */
  readonly extraData: Uint8Array;
  /** Quoted PCRs of the SHA-256 bank. */
  readonly pcrs: readonly number[];
  /** Digest over the values of those PCRs, in order. */
  readonly pcrDigest: Uint8Array;
}

const rsassaAlgorithm = 0x0014;
const sha256Algorithm = 0x000b;
const nullAlgorithm = 0x0010;

/** TPM_GENERATED_VALUE: the TPM signs nothing of outside origin that begins so. */
const generatedMagic = 0xff54_4347;
const quoteType = 0x8018;

/**
 * Quotes PCRs of the SHA-256 bank.
 *
 * @param key handle of a restricted signing key with the scheme RSASSA and SHA-256
 * @param qualifyingData at most as long as a name of the TPM: 50 bytes where SHA-384 is its longest hash
 * @throws TpmError, `SIZE` for qualifying data that is too long; GuestError `data-loss`, also for a key with another scheme
 */
export async function quote(
  tpm: Tpm,
  key: number,
  qualifyingData: Uint8Array,
  pcrs: readonly number[],
): Promise<TpmQuote> {
  const response = await tpm.execute({
    name: "TPM2_Quote",
    code: 0x158,
    handles: [key],
    authorized: true,
    // No scheme: the key's own.
    parameters: [sized(qualifyingData), uint16(nullAlgorithm), encodePcrSelection(pcrs)],
  });
  const message = response.sized();
  const signatureStructure = response.rest();
  return { message, signature: parseRsaSignature(signatureStructure), signatureStructure };
}

/** The bare signature in a TPMT_SIGNATURE of RSASSA with SHA-256. @throws GuestError `data-loss` */
export function parseRsaSignature(structure: Uint8Array): Uint8Array {
  const reader = new TpmReader(structure, "TPM signature");
  if (reader.uint16() !== rsassaAlgorithm) throw reader.malformed("is not RSASSA");
  if (reader.uint16() !== sha256Algorithm) throw reader.malformed("is not over SHA-256");
  const signature = reader.sized();
  reader.end();
  return signature;
}

/**
 * Reads what a quote says (TPMS_ATTEST with TPMS_QUOTE_INFO, spec/tee-abi.md 6). Whether it is signed is another question.
 *
 * @throws GuestError `data-loss` for anything that isn't a quote made by a TPM
 */
export function parseQuoteStatement(message: Uint8Array): QuoteStatement {
  const reader = new TpmReader(message, "TPM quote");
  if (reader.uint32() !== generatedMagic) throw reader.malformed("was not made by a TPM");
  if (reader.uint16() !== quoteType) throw reader.malformed("is another kind of attestation");
  reader.sized(); // name of the signing key
  const extraData = reader.sized();
  reader.bytes(8 + 4 + 4 + 1); // clock, resets, restarts, whether the clock is safe
  reader.bytes(8); // version of the firmware
  const pcrs = readPcrSelection(reader);
  const pcrDigest = reader.sized();
  reader.end();
  return { extraData, pcrs, pcrDigest };
}
