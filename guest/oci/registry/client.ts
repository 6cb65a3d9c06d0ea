import { GuestError } from "../../core/errors.ts";
import type { HttpResponse } from "../../sys/http-client.ts";
import { verifyContent } from "../content.ts";
import { type Digest, digestAlgorithm, digestOf, isDigest } from "../digest.ts";
import { ImageError } from "../errors.ts";
import type { ImageLimits } from "../limits.ts";
import type { Descriptor } from "../manifest.ts";
import { acceptedManifests } from "../media-types.ts";
import { requestAuthorization } from "./authorization.ts";
import type { RegistryCredentials } from "./credentials.ts";
import { httpGet, type RequestSender, statusError } from "./http.ts";

/** A repository to read from. */
export interface RegistryOptions {
  /** Host with optional port, as it is contacted. */
  readonly host: string;
  readonly repository: string;
  /** Without TLS; for loopback, or where the configuration says so. */
  readonly plainHttp: boolean;
  readonly credentials: RegistryCredentials | undefined;
  readonly sender: RequestSender;
  readonly limits: ImageLimits;
}

/** A manifest as it was received. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  /** Computed from the bytes. */
  readonly digest: Digest;
  /** The header without parameters; a claim. */
  readonly contentType: string;
}

/** Reads one repository of a registry (OCI distribution spec, "Pull"). Remembers the authorization between requests. */
export class RegistryClient {
  readonly #options: RegistryOptions;
  readonly #base: string;
  #authorization: string | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#base = `${options.plainHttp ? "http" : "https"}://${options.host}/v2/${options.repository}`;
  }

  /**
   * Fetches a manifest or index.
   *
   * @param name a tag, or a digest that the bytes must then have
   * @throws ImageError `not-found`, `access`, `registry`, `limit`; `integrity` when the digest differs from `name` or from the
   *   registry's own header
   */
  async manifest(name: string, signal: AbortSignal): Promise<FetchedManifest> {
    const { limits, host } = this.#options;
    const what = `manifest ${name.slice(0, 150)} from ${host}`;
    const response = await this.#get(`manifests/${name}`, acceptedManifests, what, signal);
    const bytes = await bodyOf(response, limits.maxManifestBytes, what);
    for (const claimed of [name, response.headers.get("docker-content-digest") ?? ""]) {
      if (isDigest(claimed)) compareDigest(bytes, claimed, what);
    }
    const contentType = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
    return { bytes, digest: isDigest(name) ? name : digestOf(bytes), contentType };
  }

  /**
   * Begins to fetch a blob. The stream fails when it stalls, and in place of its end when size or digest is wrong.
   *
   * @param what names the blob in errors
   * @throws ImageError as {@link manifest}; the stream throws `integrity` and `registry`
   */
  async blob({ digest, size }: Descriptor, what: string, signal: AbortSignal): Promise<AsyncGenerator<Buffer>> {
    const from = `${what} ${digest} from ${this.#options.host}`;
    const response = await this.#get(`blobs/${digest}`, "*/*", from, signal);
    const length = response.headers.get("content-length");
    if (length !== undefined && Number(length) !== size) {
      response.discard();
      throw new ImageError("integrity", `${from} has ${length} bytes instead of ${size}`);
    }
    return verifyContent(namingErrors(response.stream, from), { what, digest, size });
  }

  async #get(path: string, accept: string, what: string, signal: AbortSignal): Promise<HttpResponse> {
    const url = new URL(`${this.#base}/${path}`);
    const refused = this.#authorization;
    let response = await this.#send(url, accept, refused, signal);
    // A challenge from where a redirect led is none of the registry's: our credentials aren't for that host.
    if (response.status === 401 && response.url.origin === url.origin) {
      this.#authorization = await this.#authorize(response, refused, what, signal);
      response = await this.#send(url, accept, this.#authorization, signal);
    }
    if (response.status !== 200) throw await statusError(response, what, this.#options.limits);
    return response;
  }

  #send(url: URL, accept: string, authorization: string | undefined, signal: AbortSignal): Promise<HttpResponse> {
    const headers = { accept, ...(authorization === undefined ? {} : { authorization }) };
    return httpGet(this.#options.sender, { url, headers, signal, followRedirects: true }, this.#options.limits);
  }

  /** @param refused the authorization that the registry didn't take: several requests at once may each get a new one */
  async #authorize(
    response: HttpResponse,
    refused: string | undefined,
    what: string,
    signal: AbortSignal,
  ): Promise<string> {
    const header = response.headers.get("www-authenticate") ?? "";
    const authorization = await requestAuthorization({ ...this.#options, header, signal });
    // A Basic answer that the registry has just refused would only be refused again.
    if (authorization === undefined || authorization === refused) {
      throw await statusError(response, what, this.#options.limits);
    }
    response.discard();
    return authorization;
  }
}

async function bodyOf(response: HttpResponse, maxBytes: number, what: string): Promise<Buffer> {
  try {
    return await response.bytes(maxBytes);
  } catch (error) {
    throw named(error, what);
  }
}

/** Passes a body on; its errors then say what it was. */
async function* namingErrors(source: AsyncIterable<Buffer>, what: string): AsyncGenerator<Buffer> {
  try {
    yield* source;
  } catch (error) {
    throw named(error, what);
  }
}

function named(error: unknown, what: string): unknown {
  if (!(error instanceof GuestError)) return new ImageError("registry", `${what} broke off`, { cause: error });
  const kind = error.code === "resource-exhausted" ? "limit" : "registry";
  return new ImageError(kind, `${what}: ${error.message}`, { cause: error });
}

/** Whether a host (with or without port) is this machine itself. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?$/.test(host);
}

function compareDigest(bytes: Buffer, expected: Digest, what: string): void {
  const computed = digestOf(bytes, digestAlgorithm(expected));
  if (computed !== expected) throw new ImageError("integrity", `${what} has digest ${computed} instead of ${expected}`);
}
