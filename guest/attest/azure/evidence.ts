import { GuestError } from "../../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../core/json.ts";
import { allPcrs, pcrBytes } from "../../sys/tpm/pcr.ts";
import type { VtpmStatement } from "./vtpm.ts";

/** Evidence of an Azure VM: what the vTPM says, and what makes the hardware's report verifiable. */
export interface AzureEvidence extends VtpmStatement {
  readonly hardware: {
    /** SNP: the VCEK certificate, DER. TDX: the TD quote. */
    readonly member: "vcek" | "td_quote";
    readonly proof: Uint8Array;
  };
}

/** The one version that binds the nonce into the HCL report, too. */
const version = 2;

/** The evidence that verifiers of Azure VMs read (spec/attestation-agent.md 5.4, 5.5): hex in lower case, base64url with padding. */
export function encodeAzureEvidence({ quote, hclReport, hardware: { member, proof } }: AzureEvidence): string {
  return JSON.stringify({
    version,
    tpm_quote: { signature: hex(quote.signature), message: hex(quote.message), pcrs: quote.pcrs.map(hex) },
    hcl_report: encodePaddedBase64Url(hclReport),
    [member]: encodePaddedBase64Url(proof),
  });
}

/**
 * Reads evidence of version 2.
 *
 * @param member the one that evidence of this TEE has
 * @throws GuestError `invalid-argument` that names the member
 */
export function parseAzureEvidence(text: string | Uint8Array, member: "vcek" | "td_quote"): AzureEvidence {
  const evidence = parseJson(text);
  if (!isJsonObject(evidence) || evidence["version"] !== version) throw malformed("version");
  const quote = evidence["tpm_quote"];
  if (!isJsonObject(quote)) throw malformed("tpm_quote");
  return {
    quote: {
      signature: parseHex(quote["signature"], "tpm_quote.signature"),
      message: parseHex(quote["message"], "tpm_quote.message"),
      pcrs: parsePcrs(quote),
    },
    hclReport: parseBase64Url(evidence["hcl_report"], "hcl_report"),
    hardware: { member, proof: parseBase64Url(evidence[member], member) },
  };
}

function parsePcrs(quote: JsonObject): readonly Uint8Array[] {
  const values = quote["pcrs"];
  if (!isJsonArray(values) || values.length !== allPcrs.length) throw malformed("tpm_quote.pcrs");
  return values.map((value) => {
    const pcr = parseHex(value, "tpm_quote.pcrs");
    if (pcr.length !== pcrBytes) throw malformed("tpm_quote.pcrs");
    return pcr;
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function parseHex(text: JsonValue | undefined, member: string): Uint8Array {
  if (typeof text !== "string" || !/^(?:[0-9a-fA-F]{2})*$/.test(text)) throw malformed(member);
  return Buffer.from(text, "hex");
}

function encodePaddedBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** With padding or without. */
function parseBase64Url(text: JsonValue | undefined, member: string): Uint8Array {
  const bytes = typeof text === "string" ? Buffer.from(text, "base64url") : undefined;
  if (
    bytes !== undefined &&
    [encodePaddedBase64Url(bytes), bytes.toString("base64url")].some((form) => form === text)
  ) {
    return bytes;
  }
  throw malformed(member);
}

function malformed(member: string): GuestError {
  return new GuestError("invalid-argument", `Azure evidence: ${member} is missing or unusable`);
}
