import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { ClientTls, ServerTls } from "../../guest/rpc/tls.ts";
import { createCertificate, toPem } from "../attest/certificates.ts";

/** A certificate with its key, in PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** What cloud-api-adaptor makes for a pod (spec/forwarder.md 4.2), and some that must not get in. */
export interface TestIdentities {
  readonly server: ServerTls & { readonly ca: string };
  readonly client: ClientTls;
  /** Not what the server was told to accept. */
  readonly stranger: Identity;
  /** Signed by the clients' authority, a day too old. */
  readonly expired: Identity;
}

const serverName = "podvm-test-0a1b2c3d";

/** Makes keys and certificates now: a server's by an authority, a client's that is its own authority. */
export function createIdentities(): TestIdentities {
  const authority = newKey();
  const authorityName = "agent-protocol-forwarder";
  const authorityCert = toPem(createCertificate({ commonName: authorityName, ...authority, isAuthority: true }));
  const server = identity("server", { commonName: authorityName, privateKey: authority.privateKey }, [serverName]);
  const clientAuthority = newKey();
  const clientAuthorityName = "clients";
  const issuer = { commonName: clientAuthorityName, privateKey: clientAuthority.privateKey };
  const clientAuthorityCert = toPem(
    createCertificate({ commonName: clientAuthorityName, ...clientAuthority, isAuthority: true }),
  );
  const client = identity("cloud-api-adaptor");
  const yesterday = new Date(Date.now() - 86_400_000);
  return {
    server: { ...server, ca: client.cert + clientAuthorityCert },
    client: { ca: authorityCert, ...client, serverName },
    stranger: identity("stranger"),
    expired: identity("late", issuer, [], new Date(yesterday.getTime() - 86_400_000), yesterday),
  };
}

function identity(
  commonName: string,
  issuer?: { readonly commonName: string; readonly privateKey: KeyObject },
  names: readonly string[] = [],
  notBefore = new Date(Date.now() - 3_600_000),
  notAfter = new Date(Date.now() + 3_600_000),
): Identity {
  const { publicKey, privateKey } = newKey();
  const signer = issuer === undefined ? { privateKey } : { issuer };
  const alternativeNames = names.length > 0 ? { alternativeNames: names } : {};
  const der = createCertificate({ commonName, publicKey, ...signer, ...alternativeNames, notBefore, notAfter });
  return { cert: toPem(der), key: privateKey.export({ format: "pem", type: "pkcs8" }).toString() };
}

function newKey(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}
