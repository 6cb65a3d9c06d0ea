import { X509Certificate } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { isJsonObject, parseJson } from "../../core/json.ts";
import type { HttpClient, HttpRequest } from "../../sys/http-client.ts";
import type { Pause } from "../tsm/tsm-report.ts";

/** What Azure's instance metadata service (IMDS) adds to a report. Nothing of it is trusted: verifiers check signatures. */
export interface AzureMetadataService {
  /** The VCEK certificate of this host's chip, DER. @throws GuestError */
  getVcek(signal: AbortSignal): Promise<Uint8Array>;
  /** A quote over a TDREPORT (1024 bytes). @throws GuestError */
  getTdQuote(tdReport: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/** Link-local: it answers VMs only, without TLS (spec/tee-abi.md 7.3). */
const metadataOrigin = "http://169.254.169.254";

const maxAnswerBytes = 256 * 1024;
const timeoutMs = 10_000;
const maxAttempts = 5;
const firstPauseMs = 500;

/**
 * Asks the metadata service. It is asked again when it is overloaded; redirects are not followed.
 *
 * @param origin tests give another one
 */
export function createAzureMetadataService(
  client: Pick<HttpClient, "request">,
  pause: Pause,
  origin: string = metadataOrigin,
): AzureMetadataService {
  return {
    getVcek: async (signal) => {
      const { status, body } = await ask(
        { url: `${origin}/metadata/THIM/amd/certification`, headers: { metadata: "true" } },
        signal,
      );
      if (status !== 200) throw refused("certificates", status);
      return parseVcek(body);
    },

    getTdQuote: async (tdReport, signal) => {
      const bytes = Buffer.from(tdReport);
      // The service's own kit sends standard base64; services of old took base64url without padding only.
      const first = await ask(tdQuoteRequest(bytes.toString("base64")), signal);
      if (first.status === 200) return parseTdQuote(first.body);
      const second = await ask(tdQuoteRequest(bytes.toString("base64url")), signal);
      if (second.status === 200) return parseTdQuote(second.body);
      throw refused("TD quote", first.status);
    },
  };

  function tdQuoteRequest(report: string): HttpRequest {
    const headers = { metadata: "true", "content-type": "application/json" };
    return { url: `${origin}/acc/tdquote`, method: "POST", headers, body: JSON.stringify({ report }) };
  }

  async function ask(
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: Uint8Array }> {
    for (let attempt = 1; ; attempt += 1) {
      const response = await client.request({ ...request, timeoutMs, signal });
      const body = await response.bytes(maxAnswerBytes);
      const isOverloaded = response.status === 429 || response.status >= 500;
      if (!isOverloaded || attempt === maxAttempts) return { status: response.status, body };
      await pause(firstPauseMs * 2 ** (attempt - 1), signal);
    }
  }
}

function parseVcek(body: Uint8Array): Uint8Array {
  const pem = memberOf(body, "vcekCert");
  try {
    return new X509Certificate(pem).raw;
  } catch (cause) {
    throw new GuestError("unavailable", "the metadata service gave a VCEK certificate that can't be read", { cause });
  }
}

/** Base64 of either alphabet, padded or not. */
function parseTdQuote(body: Uint8Array): Uint8Array {
  const text = memberOf(body, "quote");
  if (!/^[0-9A-Za-z+/_-]+={0,2}$/.test(text)) throw unusable("quote");
  return Buffer.from(text, "base64");
}

function memberOf(body: Uint8Array, name: string): string {
  const answer = parseJson(body);
  const value = isJsonObject(answer) ? answer[name] : undefined;
  if (typeof value !== "string") throw unusable(name);
  return value;
}

function unusable(member: string): GuestError {
  return new GuestError("unavailable", `the metadata service's answer has no usable ${member}`);
}

function refused(what: string, status: number): GuestError {
  return new GuestError("unavailable", `the metadata service gave no ${what}`, { fields: { status } });
}
