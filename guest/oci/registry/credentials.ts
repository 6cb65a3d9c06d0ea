import { ImageError } from "../errors.ts";
import { JsonObject } from "../json-object.ts";
import type { ImageReference } from "../reference.ts";

/** Name and password for a registry. Never logged. */
export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** Finds the credentials for an image; undefined means anonymous. */
export type CredentialLookup = (reference: ImageReference) => RegistryCredentials | undefined;

const maxEntries = 1000;

/**
 * Reads a Docker-style `auth.json` (containers-auth.json(5); spec/image-pull.md 4):
 * `{"auths": {"quay.io/team": {"auth": base64(user:password)}}}`; `username` and `password` in place of `auth` are taken,
 * too. Helpers and identity tokens are not supported.
 *
 * The lookup tries `registry/repository`, each parent path and the registry, then compares host names the way Docker's old
 * keys need (`https://index.docker.io/v1/`).
 *
 * @throws ImageError `access`, which never quotes the file
 */
export function parseCredentials(bytes: Uint8Array): CredentialLookup {
  const auths = JsonObject.parse(bytes, "registry auth file", "access").object("auths");
  const names = auths.names();
  if (names.length > maxEntries)
    throw new ImageError("access", `the registry auth file has over ${maxEntries} entries`);
  const entries = new Map(names.map((name) => [name, parseEntry(auths.object(name))]));
  const byHost = new Map([...entries].map(([name, credentials]) => [hostOfKey(name), credentials]));
  return (reference) => {
    for (const scope of scopesOf(reference)) {
      const credentials = entries.get(scope);
      if (credentials !== undefined) return credentials;
    }
    return byHost.get(dockerHubAlias(reference.registry));
  };
}

/** Nobody has credentials. */
export const anonymous: CredentialLookup = () => undefined;

function parseEntry(entry: JsonObject): RegistryCredentials {
  const auth = entry.optionalString("auth");
  if (auth === undefined) return { username: entry.string("username"), password: entry.string("password") };
  const invalid = () => new ImageError("access", "Invalid registry auth file: an auth is not base64 of user:password");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(auth)) throw invalid();
  const decoded = Buffer.from(auth, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon < 1 || decoded.includes("\ufffd")) throw invalid();
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/^[\r\n]+|[\r\n]+$/g, "") };
}

/** `registry/a/b`, `registry/a`, `registry`. */
function* scopesOf({ registry, repository }: ImageReference): Generator<string> {
  const parts = [registry, ...repository.split("/")];
  for (let length = parts.length; length > 0; length--) yield parts.slice(0, length).join("/");
}

function hostOfKey(key: string): string {
  const url = /^https?:\/\/([^/]*)/.exec(key);
  return dockerHubAlias(url?.[1] ?? key);
}

function dockerHubAlias(host: string): string {
  return host === "docker.io" || host === "registry-1.docker.io" ? "index.docker.io" : host;
}
