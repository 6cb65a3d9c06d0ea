import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { bearsName, serverTlsOptions } from "../../guest/rpc/tls.ts";
import { type CertificateOptions, createCertificate } from "../attest/certificates.ts";
import { createIdentities } from "./identities.ts";

const { server, stranger } = createIdentities();

describe("threat 1: TLS fails closed", () => {
  test.each([
    ["no authority of the clients", { ca: undefined }, "needs the authority of the clients"],
    ["an empty authority", { ca: "\n" }, "needs the authority of the clients"],
    ["an authority that is no certificate", { ca: "nonsense" }, "holds no PEM certificate"],
    [
      "a broken authority",
      { ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" },
      "is no PEM certificate",
    ],
    ["a broken certificate", { cert: "" }, "the TLS certificate is no PEM certificate"],
    ["a broken key", { key: "-----BEGIN PRIVATE KEY-----\nsecret" }, "the TLS key is no PEM private key"],
    ["the key of another certificate", { key: stranger.key }, "does not belong to the certificate"],
    ["TLS 1.0", { minVersion: "VersionTLS10" }, "must be VersionTLS12 or VersionTLS13"],
    ["suites for TLS 1.3", { minVersion: "VersionTLS13", cipherSuites: ["x"] }, "can't be chosen for TLS 1.3"],
    [
      "suites that no EC key can use",
      { cipherSuites: ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"] },
      "no TLS cipher suite fits",
    ],
    ["unknown suites", { cipherSuites: ["TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"] }, "is not supported"],
  ])("%s", (_what, change, message) => {
    expect(() => serverTlsOptions({ ...server, ...change })).toThrow(message);
  });

  test("no error quotes the key", () => {
    const key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    expect(() => serverTlsOptions({ ...server, key })).toThrow(expect.not.stringContaining("c2VjcmV0"));
  });
});

test("client certificates are required unless the caller says otherwise in so many words", () => {
  expect(serverTlsOptions(server)).toMatchObject({
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
  });
  const open = serverTlsOptions({ ...server, requireClientCertificate: false });
  expect(open).toMatchObject({ requestCert: false });
});

test("IANA names become OpenSSL's, and TLS 1.3 stays possible", () => {
  const { ciphers } = serverTlsOptions({ ...server, cipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"] });
  expect(ciphers).toBe(
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256",
  );
});

test("every certificate of a bundle is an authority", () => {
  const { ca } = serverTlsOptions({ ...server, ca: `comment\n${stranger.cert}\n${server.cert}` });
  expect(ca).toHaveLength(2);
});

describe("threat 2: the name that a client's certificate has to bear", () => {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = (names: Partial<CertificateOptions>): X509Certificate =>
    new X509Certificate(createCertificate({ commonName: "someone", ...keys, ...names }));

  test.each<[string, Partial<CertificateOptions>]>([
    ["its common name", { commonName: "worker-1.example" }],
    ["its organisation", { organization: "worker-1.example" }],
    ["one of its DNS names", { alternativeNames: ["10.0.0.1", "other", "worker-1.example"] }],
    ["a DNS name in other case", { alternativeNames: ["WORKER-1.example"] }],
  ])("is %s", (_what, names) => {
    expect(bearsName(certificate(names), "worker-1.example")).toBe(true);
  });

  test.each<[string, Partial<CertificateOptions>]>([
    ["another's", { commonName: "worker-2.example", alternativeNames: ["worker-2.example"] }],
    ["a wildcard", { alternativeNames: ["*.example"] }],
    ["a part of it", { commonName: "worker-1", organization: "example", alternativeNames: ["worker-1"] }],
    ["more than it", { alternativeNames: ["a.worker-1.example"], commonName: "worker-1.example.org" }],
    ["several in one", { commonName: "x\nCN=worker-1.example" }],
    ["a DNS name that looks like a list", { alternativeNames: ["x, DNS:worker-1.example"] }],
  ])("is not %s", (_what, names) => {
    expect(bearsName(certificate(names), "worker-1.example")).toBe(false);
  });

  test("has no meaning where clients need no certificate", () => {
    const open = { ...server, requireClientCertificate: false, clientName: "worker" };
    expect(() => serverTlsOptions(open)).toThrow("none can bear a name");
  });
});
