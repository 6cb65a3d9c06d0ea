import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { ClientTls, ServerTls } from "../../guest/rpc/tls.ts";
import { createCertificate, toPem } from "../attest/certificates.ts";
import { createIdentities as createPodIdentities, type Identity } from "../stack/identities.ts";

/** A server and the clients that it must and must not let in. */
export interface TestIdentities {
  readonly server: ServerTls & { readonly ca: string };
  readonly client: ClientTls;
  /** Of no authority that the server knows. */
  readonly stranger: Identity;
  /** Signed by an authority that the server knows, but out of date. */
  readonly expired: Identity;
}

/** Makes keys and certificates now. */
export function createIdentities(): TestIdentities {
  const { server, serverAuthority, client, serverName } = createPodIdentities();
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = { commonName: "clients", privateKey: authority.privateKey };
  const authorityCert = toPem(createCertificate({ commonName: "clients", ...authority, isAuthority: true }));
  return {
    server: { ...server, ca: client.cert + authorityCert },
    client: { ca: serverAuthority, ...client, serverName },
    stranger: createPodIdentities().client,
    expired: expiredIdentity(issuer),
  };
}

function expiredIdentity(issuer: { readonly commonName: string; readonly privateKey: KeyObject }): Identity {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const dayMs = 86_400_000;
  const notBefore = new Date(Date.now() - 2 * dayMs);
  const notAfter = new Date(Date.now() - dayMs);
  const cert = toPem(createCertificate({ commonName: "late", publicKey, issuer, notBefore, notAfter }));
  return { cert, key: privateKey.export({ format: "pem", type: "pkcs8" }).toString() };
}
