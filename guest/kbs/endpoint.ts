import { X509Certificate } from "node:crypto";
import { KbsError } from "./errors.ts";

/** Where the key broker is and how it is recognised. Comes from initdata, never from the host. */
export interface KbsEndpoint {
  /** Root URL without a trailing slash; may have a path. */
  readonly url: string;
  /**
   * Certificates in PEM, the only roots that are trusted then. Undefined: the public roots that come with the runtime (scenario
   * I9).
   */
  readonly certificate: string | undefined;
}

const loopback = /^(127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Checks a broker's address. Plain HTTP lets the network (that is: the host) play the broker and hand out secrets of its own
 * making, so it is refused unless the configuration permits it or the broker is inside this VM (threat model row 94).
 *
 * @param allowInsecureHttp permits `http://` to other machines; only measured configuration may say so
 * @returns the URL without a trailing slash
 * @throws KbsError `configuration`
 */
export function parseBrokerUrl(text: string, allowInsecureHttp = false): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw refuse("must be an http or https URL");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw refuse("must have no user name, query or fragment");
  }
  if (url.protocol === "http:" && !loopback.test(url.hostname) && !allowInsecureHttp) {
    throw refuse(
      "must be https, since over http anybody on the way can pose as the key broker; allow_insecure_http = true accepts that",
    );
  }
  return url.href.replace(/\/+$/, "");
}

/**
 * Checks certificates before they are needed: a wrong one would otherwise show itself as a TLS failure, at the first secret.
 *
 * @returns the same text
 * @throws KbsError `configuration`
 */
export function parseCertificates(pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw refuse("must be certificates as PEM text, not a path and not empty");
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (cause) {
      throw refuse("holds a certificate that can't be read", cause);
    }
  }
  return pem;
}

function refuse(reason: string, cause?: unknown): KbsError {
  return new KbsError("configuration", reason, { cause });
}
