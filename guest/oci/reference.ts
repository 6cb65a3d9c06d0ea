import { type Digest, parseDigest } from "./digest.ts";
import { ImageError } from "./errors.ts";

/** An image name with all defaults filled in (spec/image-pull.md 2). */
export interface ImageReference {
  /** Host with optional port; `docker.io` for Docker Hub. */
  readonly registry: string;
  readonly repository: string;
  /** Absent only when there is a digest. */
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

const maxReferenceLength = 1024;
const maxRepositoryLength = 255;
const defaultRegistry = "docker.io";

const hostName = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const registryPattern = new RegExp(`^(?:${hostName}(?:\\.${hostName})*|\\[[0-9a-fA-F:.]+\\])(?::[0-9]{1,5})?$`);
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/**
 * Reads `[registry/]repository[:tag][@digest]` and fills in what Docker's habit leaves out: registry `docker.io`, its
 * prefix `library/`, the tag `latest` when neither tag nor digest is given.
 *
 * @throws ImageError `reference`, for the peer `Illegal image reference`
 */
export function parseReference(text: string): ImageReference {
  if (text.length > maxReferenceLength) throw illegal(text, `longer than ${maxReferenceLength} characters`);
  const [name, digestText] = splitAt(text, "@");
  const digest = digestText === undefined ? undefined : parseReferenceDigest(text, digestText);
  const { registry, remainder } = splitRegistry(name);
  const [path, tag] = splitAt(remainder, ":");

  if (!registryPattern.test(registry)) throw illegal(text, "the registry is no host name");
  if (tag !== undefined && !tagPattern.test(tag)) throw illegal(text, "the tag is malformed");
  const repository = registry === defaultRegistry && !path.includes("/") ? `library/${path}` : path;
  if (repository.length > maxRepositoryLength) throw illegal(text, "the repository is too long");
  if (!repositoryPattern.test(repository)) throw illegal(text, "the repository is malformed");
  return { registry, repository, tag: tag ?? (digest === undefined ? "latest" : undefined), digest };
}

/** The canonical text, with both tag and digest where both were given. */
export function formatReference({ registry, repository, tag, digest }: ImageReference): string {
  return `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** What to ask the registry for: the digest where there is one (it pins the content), else the tag. */
export function manifestName({ tag, digest }: ImageReference): string {
  return digest ?? tag ?? "latest";
}

/** The part before the first `/` is a registry if it could not be a repository: a dot, a colon, or `localhost`. */
function splitRegistry(name: string): { registry: string; remainder: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  if (!/[.:]/.test(first) && first !== "localhost") return { registry: defaultRegistry, remainder: name };
  const registry = first === "index.docker.io" ? defaultRegistry : first;
  return { registry, remainder: name.slice(slash + 1) };
}

function parseReferenceDigest(reference: string, text: string): Digest {
  try {
    return parseDigest(text, "the digest", "reference");
  } catch (error) {
    throw illegal(reference, "the digest is malformed", error);
  }
}

function splitAt(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}

function illegal(reference: string, why: string, cause?: unknown): ImageError {
  return new ImageError("reference", `Illegal image reference ${JSON.stringify(reference.slice(0, 300))}: ${why}`, {
    peerMessage: "Illegal image reference",
    cause,
  });
}
