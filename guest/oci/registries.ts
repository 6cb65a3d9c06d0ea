import { ImageError } from "./errors.ts";
import { JsonObject } from "./json-object.ts";
import { formatReference, type ImageReference, parseReference } from "./reference.ts";
import { isLoopbackHost } from "./registry/client.ts";

/** Where else to look for an image. */
export interface RegistryLocation {
  /** Replaces the matched prefix. */
  readonly location: string;
  /** Plain HTTP. */
  readonly insecure: boolean;
}

/** What to do with images whose reference begins with a prefix. */
export interface RegistryRule {
  /** `host`, `host/path`, or `*.domain`. */
  readonly prefix: string;
  /** Where the images really are; empty: where the reference says. */
  readonly location: string;
  /** Plain HTTP for {@link location}. */
  readonly insecure: boolean;
  readonly blocked: boolean;
  /** Tried first, in order. */
  readonly mirrors: readonly RegistryLocation[];
}

/** The part of registries.conf that is honoured (spec/image-pull.md 3; containers-registries.conf(5)). */
export interface RegistriesConfig {
  /** Registries to search for images of docker.io. */
  readonly searchRegistries: readonly string[];
  readonly rules: readonly RegistryRule[];
}

/** A place to pull from. */
export interface PullSource {
  readonly reference: ImageReference;
  /** Without TLS: on loopback, or because the configuration says `insecure`. */
  readonly plainHttp: boolean;
}

/** Every image comes from where its reference says. */
export const defaultRegistries: RegistriesConfig = { searchRegistries: ["docker.io"], rules: [] };

const dockerHub = "docker.io";

/**
 * Reads the configuration from its decoded TOML or JSON: `unqualified-search-registries`, `registry` (`prefix`, `location`,
 * `insecure`, `blocked`, `mirror` with `location`, `insecure`). Other keys are ignored, as their upstream reader does.
 *
 * @throws ImageError `reference`
 */
export function parseRegistriesConfig(value: unknown): RegistriesConfig {
  const document = JsonObject.from(value, "registries configuration", "reference");
  const search = document.has("unqualified-search-registries");
  return {
    searchRegistries: search ? document.strings("unqualified-search-registries") : defaultRegistries.searchRegistries,
    rules: document.has("registry") ? document.objects("registry").map(parseRule) : [],
  };
}

/**
 * The places to try for an image, in order: mirrors, then where it really is. A digest stays with the reference wherever it
 * goes. Prefixes match whole path components from the start; of several rules the longest prefix counts, of equals the last.
 *
 * @throws ImageError `policy` when all are blocked
 */
export function planSources(reference: ImageReference, config: RegistriesConfig): PullSource[] {
  const sources = candidates(reference, config).flatMap((candidate) => applyRules(candidate, config.rules));
  if (sources.length > 0) return sources;
  throw new ImageError("policy", `Image ${formatReference(reference)} is blocked by registry rule.`, {
    peerMessage: "failed to compose a legal image reference with given registry configuration",
  });
}

function parseRule(rule: JsonObject): RegistryRule {
  const location = rule.optionalString("location") ?? "";
  const prefix = rule.optionalString("prefix") || location;
  const incomplete = (why: string) => new ImageError("reference", `${rule.where} ${why}`);
  if (prefix === "") throw incomplete("has neither prefix nor location");
  if (prefix.startsWith("*.") && location === "") throw incomplete("has a wildcard prefix and no location");
  const mirrors = (rule.has("mirror") ? rule.objects("mirror") : []).map((mirror) => {
    if (mirror.string("location") === "") throw incomplete("has a mirror without location");
    return { location: mirror.string("location"), insecure: mirror.optionalBoolean("insecure") ?? false };
  });
  const insecure = rule.optionalBoolean("insecure") ?? false;
  return { prefix, location, insecure, blocked: rule.optionalBoolean("blocked") ?? false, mirrors };
}

function candidates(reference: ImageReference, { searchRegistries }: RegistriesConfig): ImageReference[] {
  if (reference.registry !== dockerHub) return [reference];
  return searchRegistries.map((registry) => {
    if (registry === dockerHub) return reference;
    const repository = reference.repository.replace(/^library\//, "");
    return parseReference(formatReference({ ...reference, registry, repository }));
  });
}

function applyRules(reference: ImageReference, rules: readonly RegistryRule[]): PullSource[] {
  const text = formatReference(reference);
  const unchanged = { reference, plainHttp: isLoopbackHost(reference.registry) };
  let best: { rule: RegistryRule; length: number } | undefined;
  for (const rule of rules) {
    const length = matchLength(text, rule.prefix);
    if (length !== undefined && length >= (best?.length ?? 0)) best = { rule, length };
  }
  if (best === undefined) return [unchanged];
  const { rule, length } = best;
  if (rule.blocked) return [];
  const rest = text.slice(length);
  const moved = ({ location, insecure }: RegistryLocation) => movedSource(`${location}${rest}`, insecure);
  if (rule.location === "") return [...rule.mirrors.map(moved), unchanged];
  return [...rule.mirrors, rule].map(moved);
}

/** Characters of the reference that a prefix covers; undefined when it doesn't match. */
function matchLength(text: string, prefix: string): number | undefined {
  const host = text.slice(0, text.indexOf("/"));
  if (prefix.startsWith("*.")) {
    const withoutPort = host.replace(/:[0-9]+$/, "");
    return withoutPort.endsWith(prefix.slice(1)) ? withoutPort.length : undefined;
  }
  if (!text.startsWith(prefix)) return undefined;
  return /^([:/@]|$)/.test(text.slice(prefix.length)) ? prefix.length : undefined;
}

/** A configured `insecure` means plain HTTP. On loopback there is nobody to listen in. */
function movedSource(text: string, insecure: boolean): PullSource {
  const reference = parseReference(text);
  return { reference, plainHttp: insecure || isLoopbackHost(reference.registry) };
}
