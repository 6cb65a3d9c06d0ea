import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createCertificate, createServerIdentity, toPem } from "../attest/certificates.ts";

/** A certificate and its key, PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** What the worker and the pod VM prove themselves with, made as cloud-api-adaptor makes it (spec/forwarder.md 4.2). */
export interface Identities {
  /** The authority of the server. */
  readonly serverAuthority: string;
  readonly server: Identity;
  /** Self-signed; the pod VM gets the certificate itself as the authority of clients. */
  readonly client: Identity;
  /** Name in the server's certificate. */
  readonly serverName: string;
}

export function createIdentities(serverName = "podvm-demo-0a1b2c3d"): Identities {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const authorityName = "agent-protocol-forwarder";
  const serverAuthority = toPem(createCertificate({ commonName: authorityName, ...authority, isAuthority: true }));
  const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const serverCertificate = createCertificate({
    commonName: serverName,
    publicKey: server.publicKey,
    issuer: { commonName: authorityName, privateKey: authority.privateKey },
    alternativeNames: [serverName],
  });
  const client = createServerIdentity("cloud-api-adaptor", []);
  return {
    serverAuthority,
    server: { cert: toPem(serverCertificate), key: pemOf(server.privateKey) },
    client: { cert: client.certificate, key: client.privateKey },
    serverName,
  };
}

function pemOf(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" }).toString();
}
