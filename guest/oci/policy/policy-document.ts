import { ImageError } from "../errors.ts";
import { JsonObject } from "../json-object.ts";
import { formatReference, type ImageReference } from "../reference.ts";
import { parseSignedIdentity, repositoryName, type SignedIdentity } from "./signed-identity.ts";

/** What an image needs to be used. */
export type PolicyRequirement =
  /** Nothing. */
  | { readonly kind: "insecureAcceptAnything" }
  /** It never is. */
  | { readonly kind: "reject" }
  /** A cosign signature by this key. */
  | { readonly kind: "sigstoreSigned"; readonly key: SigningKey; readonly identity: SignedIdentity | undefined }
  /** An OpenPGP signature, which isn't supported: the image is refused. */
  | { readonly kind: "signedBy" };

/** Where a public key comes from. */
export type SigningKey =
  | { readonly kind: "path"; readonly uri: string }
  /** PEM, or base64 of PEM. */
  | { readonly kind: "data"; readonly text: string };

/** A policy as in containers-policy.json(5), for images from registries. */
export interface PolicyDocument {
  readonly default: readonly PolicyRequirement[];
  /** By scope: a reference, a repository or part of its path, a host, `*.domain`, or empty for all. */
  readonly scopes: ReadonlyMap<string, readonly PolicyRequirement[]>;
}

/**
 * Reads an image policy (spec/image-pull.md 7.1). Stricter than the reference, where that makes a typing error harmless:
 * unknown members and empty lists of requirements are refused.
 *
 * @throws ImageError `policy`, `Invalid image policy file`
 */
export function parseImagePolicy(bytes: Uint8Array): PolicyDocument {
  try {
    const document = JsonObject.parse(bytes, "image policy", "policy");
    document.refuseOthers(["default", "transports"]);
    const docker = document.optionalObject("transports")?.optionalObject("docker");
    const scopes = docker?.names().map((scope) => [scope, parseRequirements(docker, scope)] as const);
    return { default: parseRequirements(document, "default"), scopes: new Map(scopes) };
  } catch (error) {
    throw new ImageError("policy", "Invalid image policy file", { cause: error });
  }
}

/** The requirements for an image: those of its most specific scope. */
export function requirementsFor(document: PolicyDocument, reference: ImageReference): readonly PolicyRequirement[] {
  for (const scope of scopesOf(reference)) {
    const requirements = document.scopes.get(scope);
    if (requirements !== undefined) return requirements;
  }
  return document.default;
}

/** Reference, repository, its parents, host; then `*.` domains of the host without its port; then everything. */
function* scopesOf(reference: ImageReference): Generator<string> {
  yield formatReference(reference);
  const parts = repositoryName(reference).split("/");
  for (let length = parts.length; length > 0; length--) yield parts.slice(0, length).join("/");
  const labels = reference.registry.replace(/:[0-9]+$/, "").split(".");
  for (let skipped = 1; skipped < labels.length; skipped++) yield `*.${labels.slice(skipped).join(".")}`;
  yield "";
}

function parseRequirements(holder: JsonObject, name: string): PolicyRequirement[] {
  const requirements = holder.objects(name).map(parseRequirement);
  if (requirements.length > 0) return requirements;
  throw new ImageError("policy", `${holder.where}.${name} has no requirement`);
}

function parseRequirement(requirement: JsonObject): PolicyRequirement {
  const type = requirement.string("type");
  switch (type) {
    case "insecureAcceptAnything":
    case "reject":
      requirement.refuseOthers(["type"]);
      return { kind: type };
    case "sigstoreSigned":
      return parseSigstoreSigned(requirement);
    case "signedBy":
      return { kind: "signedBy" };
    default:
      throw new ImageError("policy", `${requirement.where} has an unknown type`);
  }
}

function parseSigstoreSigned(requirement: JsonObject): PolicyRequirement {
  requirement.refuseOthers(["type", "keyPath", "keyData", "signedIdentity"]);
  const uri = requirement.optionalString("keyPath");
  const text = requirement.optionalString("keyData");
  const identity = requirement.optionalObject("signedIdentity");
  const parsedIdentity = identity && parseSignedIdentity(identity);
  if (uri !== undefined && text === undefined) {
    return { kind: "sigstoreSigned", key: { kind: "path", uri }, identity: parsedIdentity };
  }
  if (text !== undefined && uri === undefined) {
    return { kind: "sigstoreSigned", key: { kind: "data", text }, identity: parsedIdentity };
  }
  throw new ImageError("policy", `${requirement.where} needs exactly one of keyPath and keyData`);
}
