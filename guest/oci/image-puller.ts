import { describeFailure, messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Digest } from "./digest.ts";
import { ImageError } from "./errors.ts";
import { resolveImage } from "./image-resolver.ts";
import { ImageStore } from "./image-store.ts";
import type { LayerDecryptor } from "./layer-fetcher.ts";
import { defaultImageLimits, type ImageLimits } from "./limits.ts";
import type { Platform } from "./platform.ts";
import { formatReference, type ImageReference, parseReference } from "./reference.ts";
import { defaultRegistries, type PullSource, planSources, type RegistriesConfig } from "./registries.ts";
import { RegistryClient } from "./registry/client.ts";
import { anonymous, type CredentialLookup } from "./registry/credentials.ts";
import type { RequestSender } from "./registry/http.ts";

/** What a policy judges: an image whose documents are proven, before a layer is fetched. */
export interface ImageCandidate {
  /** As the caller named it, defaults filled in. */
  readonly reference: ImageReference;
  readonly manifestDigest: Digest;
  readonly indexDigest: Digest | undefined;
  /** For signatures that lie beside the image. */
  readonly client: RegistryClient;
}

/** Says whether an image may be used. It comes from initdata or the key broker, never from the host. */
export interface ImagePolicy {
  /** @throws ImageError `policy` when not */
  verify(candidate: ImageCandidate, signal: AbortSignal): Promise<void>;
}

/** Configuration of a puller. */
export interface ImagePullerOptions {
  /** Absolute path; made and opened at the first pull, since scratch space may be mounted there until then. */
  readonly storeDirectory: string;
  readonly sender: RequestSender;
  readonly platform: Platform;
  readonly log: Log;
  /** Nobody has credentials when absent. */
  readonly credentials?: CredentialLookup;
  readonly registries?: RegistriesConfig;
  /** Every image is allowed when absent. */
  readonly policy?: ImagePolicy;
  /** Refuses references without a digest, whose content the registry could change at will (threat model row 105). */
  readonly requireDigest?: boolean;
  /** Encrypted layers are refused when absent. */
  readonly decrypt?: LayerDecryptor;
  readonly limits?: Partial<ImageLimits>;
}

/** One pull. */
export interface PullRequest {
  readonly reference: string;
  /** Absolute; the root is mounted at `rootfs` in it. */
  readonly bundlePath: string;
  readonly signal: AbortSignal;
}

/** An image that is mounted. */
export interface PulledImage {
  /** Digest of the platform's manifest. */
  readonly manifestDigest: Digest;
  readonly configDigest: Digest;
  /** `<bundle>/rootfs` */
  readonly rootfsPath: string;
}

/** Pulls images and mounts them as root file systems (spec/image-pull.md). */
export interface ImagePuller {
  /**
   * Fetches an image, proves all of it, and mounts it.
   *
   * @throws ImageError; GuestError; the signal's reason. Nothing is mounted then; layers that were complete stay in the store
   */
  pull(request: PullRequest): Promise<PulledImage>;
  /** Unmounts a bundle's root and removes what the container wrote. A bundle that has none is fine. */
  release(bundlePath: string): void;
  /** Removes layers that no mounted root and no running pull uses, and what was written to roots that are gone. */
  removeUnused(): void;
  /** Lets go of the store. What is mounted stays; no pull may be running. */
  close(): void;
}

/** Creates a puller. It touches nothing before the first pull. */
export function createImagePuller(options: ImagePullerOptions): ImagePuller {
  const limits: ImageLimits = { ...defaultImageLimits, ...options.limits };
  const { storeDirectory, log, decrypt, registries = defaultRegistries } = options;
  let store: ImageStore | undefined;
  const openStore = () => {
    store ??= new ImageStore(storeDirectory, limits, log, decrypt);
    return store;
  };

  return {
    async pull({ reference: text, bundlePath, signal }) {
      const reference = parseReference(text);
      if (options.requireDigest === true && reference.digest === undefined) throw unpinned(reference);
      const sources = planSources(reference, registries);
      return await firstSuccess(reference, sources, signal, (source) =>
        pullFrom(source, reference, bundlePath, signal),
      );
    },
    release: (bundlePath) => openStore().release(bundlePath),
    removeUnused: () => openStore().removeUnused(),
    close() {
      store?.close();
      store = undefined;
    },
  };

  async function pullFrom(
    source: PullSource,
    reference: ImageReference,
    bundlePath: string,
    signal: AbortSignal,
  ): Promise<PulledImage> {
    const client = createClient(source);
    const image = await explained("failed to pull image manifest: ", () =>
      resolveImage(client, source.reference, options.platform, limits, signal),
    );
    const { manifestDigest, indexDigest, configDigest } = image;
    // Before anything in the store is looked at: another repository may hold the same content under other rules.
    await options.policy?.verify({ reference, manifestDigest, indexDigest, client }, signal);
    const rootfsPath = await explained("", () => openStore().mountImage(image, client, bundlePath, signal));
    log.info("image pulled", { reference: formatReference(reference), manifestDigest, configDigest, bundlePath });
    return { manifestDigest, configDigest, rootfsPath };
  }

  function createClient({ reference, plainHttp }: PullSource): RegistryClient {
    const { registry, repository } = reference;
    const credentials = (options.credentials ?? anonymous)(reference);
    const host = registry === "docker.io" ? "index.docker.io" : registry;
    return new RegistryClient({ host, repository, plainHttp, credentials, sender: options.sender, limits });
  }

  /** A mirror that fails, for whatever reason, is skipped; a policy's refusal of what one served is never hidden by that. */
  async function firstSuccess(
    reference: ImageReference,
    sources: readonly PullSource[],
    signal: AbortSignal,
    attempt: (source: PullSource) => Promise<PulledImage>,
  ): Promise<PulledImage> {
    const failures: { readonly name: string; readonly error: unknown }[] = [];
    for (const source of sources) {
      try {
        return await attempt(source);
      } catch (error) {
        signal.throwIfAborted();
        const name = formatReference(source.reference);
        log.warn("image pull failed", { image: name, error: describeFailure(error) });
        failures.push({ name, error });
      }
    }
    throw allFailed(reference, failures);
  }
}

/** Says in the reference's words at which step a pull failed (spec/image-pull.md 11). */
async function explained<T>(step: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw new ImageError(error.kind, `Errors happened when pulling image: ${step}${error.message}`, {
      cause: error.cause,
    });
  }
}

function unpinned(reference: ImageReference): ImageError {
  const text = `Image policy rejected: ${formatReference(reference)} names no digest, and the configuration requires one`;
  return new ImageError("policy", text);
}

function allFailed(
  reference: ImageReference,
  failures: readonly { readonly name: string; readonly error: unknown }[],
): ImageError {
  const causes = failures.map(({ error }) => error);
  const refusal = causes.find((error) => error instanceof ImageError && error.kind === "policy");
  const cause = refusal ?? causes.at(-1);
  const lines = failures.map(({ name, error }) => `image: ${name}, error: ${messageOf(error)}`);
  const places = "from all mirror/mapping locations or original location";
  const text = `Failed to pull image ${formatReference(reference)} ${places}: ${lines.join("\n")}`;
  return new ImageError(cause instanceof ImageError ? cause.kind : "store", text, { cause });
}
