import { ImageError } from "../errors.ts";
import { JsonObject } from "../json-object.ts";
import type { ImageLimits } from "../limits.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { RegistryCredentials } from "./credentials.ts";
import { httpGet, type RequestSender, statusError } from "./http.ts";

/** What is needed to answer a challenge. */
export interface AuthorizationOptions {
  /** The `WWW-Authenticate` header. */
  readonly header: string;
  readonly repository: string;
  readonly credentials: RegistryCredentials | undefined;
  /** Whether a token service without TLS is acceptable: only for registries that have none either. */
  readonly plainHttp: boolean;
  readonly sender: RequestSender;
  readonly limits: ImageLimits;
  readonly signal: AbortSignal;
}

/**
 * The Authorization header that answers a registry's challenge: a token for pulling from this repository (Docker's token
 * authentication; anonymous without credentials), or Basic. The scope is ours, whatever the challenge proposes.
 *
 * @returns undefined when the registry offers nothing we can answer
 * @throws ImageError `access`, `registry`
 */
export async function requestAuthorization(options: AuthorizationOptions): Promise<string | undefined> {
  const challenges = parseChallenges(options.header);
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  if (bearer !== undefined) return `Bearer ${await requestToken(bearer, options)}`;
  const { credentials } = options;
  if (credentials === undefined || !challenges.some(({ scheme }) => scheme === "basic")) return undefined;
  return basicAuthorization(credentials);
}

async function requestToken(challenge: Challenge, options: AuthorizationOptions): Promise<string> {
  const { credentials, limits, sender, signal } = options;
  const url = tokenUrl(challenge, options);
  const headers: { authorization?: string } = {};
  if (credentials !== undefined) headers.authorization = basicAuthorization(credentials);
  const response = await httpGet(sender, { url, headers, signal, followRedirects: false }, limits);
  const what = `token for ${options.repository} from ${url.host}`;
  if (response.status !== 200) throw await statusError(response, what, limits);
  const answer = JsonObject.parse(await response.bytes(limits.maxSmallBodyBytes), what, "registry");
  const token = answer.optionalString("token") ?? answer.string("access_token");
  if (!/^[\x21-\x7e]+$/.test(token)) throw new ImageError("registry", `${what} is not printable`);
  return token;
}

function tokenUrl({ parameters }: Challenge, { repository, plainHttp }: AuthorizationOptions): URL {
  const url = URL.parse(parameters.get("realm") ?? "");
  if (url === null || !(url.protocol === "https:" || (plainHttp && url.protocol === "http:"))) {
    throw new ImageError("registry", "the registry names a token service whose address is not allowed");
  }
  const service = parameters.get("service");
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.set("scope", `repository:${repository}:pull`);
  return url;
}

function basicAuthorization({ username, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}
