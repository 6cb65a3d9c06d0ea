import { constants, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext, type TlsOptions } from "node:tls";
import { GuestError } from "../core/errors.ts";

/** How a port proves who it is and whom it lets in. All of it is PEM text. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities of clients; a certificate that stands here itself is accepted, too. */
  readonly ca?: string | undefined;
  /** Default true. False lets everybody in; the policy alone then decides. */
  readonly requireClientCertificate?: boolean | undefined;
  /** What a client's certificate must bear besides: see {@link bearsName}. */
  readonly clientName?: string | undefined;
  /** Default `VersionTLS12`; names as the reference's configuration has them (spec/forwarder.md 3). */
  readonly minVersion?: string | undefined;
  /** IANA names; only for TLS 1.2. Default: Node's list. */
  readonly cipherSuites?: readonly string[] | undefined;
}

/** How a client checks the server and proves who it is. */
export interface ClientTls {
  readonly ca: string;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name that the server's certificate has to bear; the host that was dialled when absent. */
  readonly serverName?: string | undefined;
}

/** IANA names of the TLS 1.2 suites that may be configured, and what OpenSSL calls them. */
const openSslNames: ReadonlyMap<string, string> = new Map([
  ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"],
  ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"],
  ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"],
  ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
  ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"],
  ["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"],
]);

const tls13Suites = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"];

/**
 * Options for `tls.createServer`. Fails closed (threat-model row 1): without authorities there is no server unless the
 * caller has said in so many words that clients need no certificate.
 *
 * @throws GuestError `invalid-argument` that says what is wrong with the certificates, the version or the suites
 */
export function serverTlsOptions(tls: ServerTls): TlsOptions {
  const { ca, requireClientCertificate = true, clientName } = tls;
  const certificate = parseCertificate(tls.cert, "certificate");
  const key = parseKey(tls.key);
  if (!certificate.checkPrivateKey(key)) throw invalid("the TLS key does not belong to the certificate");
  if (requireClientCertificate && !ca?.trim()) {
    throw invalid("TLS needs the authority of the clients, or the explicit word that they need no certificate");
  }
  if (clientName !== undefined && !requireClientCertificate) {
    throw invalid("clients need no certificate, so none can bear a name");
  }
  const options: TlsOptions = {
    cert: tls.cert,
    key: tls.key,
    minVersion: parseMinVersion(tls.minVersion),
    ciphers: parseCipherSuites(tls, key),
    // Without `ca` Node would accept the certificate of any public authority.
    ...(requireClientCertificate && ca !== undefined ? { ca: parseAuthorities(ca) } : {}),
    requestCert: requireClientCertificate,
    rejectUnauthorized: requireClientCertificate,
    ALPNProtocols: ["h2"],
    // No resumption: it would let a client in by what an earlier handshake had proved, after its authority has been replaced.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  requireUsable(options);
  return options;
}

/** OpenSSL's own word on all of it, such as on the further certificates of a chain. */
function requireUsable(options: TlsOptions): void {
  try {
    createSecureContext(options);
  } catch (cause) {
    throw new GuestError("invalid-argument", "the TLS material can't be used", { cause });
  }
}

/**
 * Whether a client's certificate bears a name: as one of its DNS names (no wildcards), or as the common name or the organisation
 * of its subject (cloud-api-adaptor's own has nothing but an organisation, spec/forwarder.md 4.2). Who signed it is checked
 * elsewhere.
 */
export function bearsName(certificate: X509Certificate, name: string): boolean {
  if (certificate.checkHost(name, { subject: "never", wildcards: false }) !== undefined) return true;
  const { CN, O } = certificate.toLegacyObject().subject;
  return [CN, O].flat().includes(name);
}

/**
 * The certificates of a bundle, PEM each; what stands between them is skipped.
 *
 * @throws GuestError `invalid-argument` when there is none, or a broken one
 */
export function parseAuthorities(pem: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw invalid("the authority of the clients holds no PEM certificate");
  return blocks.map((block) => {
    parseCertificate(block, "authority of the clients");
    return block;
  });
}

function parseCertificate(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new GuestError("invalid-argument", `the TLS ${what} is no PEM certificate`, { cause });
  }
}

/** The cause is left out: it could quote the key. */
function parseKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw invalid("the TLS key is no PEM private key");
  }
}

function parseMinVersion(version = ""): "TLSv1.2" | "TLSv1.3" {
  if (version === "" || version === "VersionTLS12") return "TLSv1.2";
  if (version === "VersionTLS13") return "TLSv1.3";
  throw invalid("the minimum TLS version must be VersionTLS12 or VersionTLS13");
}

/** Suites of TLS 1.3 stay in the list: Node switches 1.3 off without them. */
function parseCipherSuites({ cipherSuites = [], minVersion }: ServerTls, key: KeyObject): string | undefined {
  if (cipherSuites.length === 0) return undefined;
  if (minVersion === "VersionTLS13") throw invalid("cipher suites can't be chosen for TLS 1.3");
  const authentication = key.asymmetricKeyType === "rsa" ? "_RSA_" : "_ECDSA_";
  if (!cipherSuites.some((suite) => suite.includes(authentication))) {
    throw invalid(`no TLS cipher suite fits the key, which needs one with ${authentication}`);
  }
  const names = cipherSuites.map((suite) => {
    const name = openSslNames.get(suite);
    if (name === undefined) throw invalid(`TLS cipher suite ${suite.slice(0, 60)} is not supported`);
    return name;
  });
  return [...tls13Suites, ...names].join(":");
}

function invalid(message: string): GuestError {
  return new GuestError("invalid-argument", message);
}
