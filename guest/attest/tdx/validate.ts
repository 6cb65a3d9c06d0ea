import { timingSafeEqual } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { fitInitDataDigest } from "../report-data.ts";
import type { TdxQuoteBody } from "./quote.ts";

/** What a relying party expects of a genuine quote. Members that are undefined are not compared. */
export interface TdxExpectation {
  /** Compared after padding with zeros to 64 bytes. */
  readonly reportData?: Uint8Array;
  /** Digest of the initdata document; compared with MRCONFIGID. */
  readonly initDataDigest?: Uint8Array;
  /** Values of MRTD that are acceptable. */
  readonly measurements?: readonly Uint8Array[];
  /** Debugging lets the host read the VM's memory: false unless somebody insists. */
  readonly allowDebug?: boolean;
}

/** Bit of TDATTRIBUTES (spec/tee-abi.md 4.4). */
const debugAttribute = 1n;

/**
 * Compares a genuine quote with expectations.
 *
 * @throws GuestError `permission-denied` that names the field
 */
export function validateTdxQuote(body: TdxQuoteBody, expected: TdxExpectation): void {
  const refuse = (field: string): GuestError =>
    new GuestError("permission-denied", `TDX quote: ${field} is not as expected`);
  if (expected.reportData !== undefined && !equals(body.reportData, fitInitDataDigest(expected.reportData, 64))) {
    throw refuse("REPORTDATA");
  }
  if (
    expected.initDataDigest !== undefined &&
    !equals(body.mrConfigId, fitInitDataDigest(expected.initDataDigest, 48))
  ) {
    throw refuse("MRCONFIGID");
  }
  if (expected.measurements?.some((measurement) => equals(body.mrTd, measurement)) === false) throw refuse("MRTD");
  if ((body.tdAttributes & debugAttribute) !== 0n && expected.allowDebug !== true)
    throw refuse("TDATTRIBUTES (debugging)");
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
