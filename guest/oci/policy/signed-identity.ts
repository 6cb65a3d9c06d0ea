import { ImageError } from "../errors.ts";
import type { JsonObject } from "../json-object.ts";
import { formatReference, type ImageReference, parseReference } from "../reference.ts";

/** What the name inside a signature must be (spec/image-pull.md 7.2; containers-policy.json(5)). */
export type SignedIdentity =
  /** The signed name is in the same repository as the image. */
  | { readonly kind: "matchRepository" }
  /** The signed name is in this repository. */
  | { readonly kind: "exactRepository"; readonly repository: string }
  /** Kinds that compare tags. Cosign signs names without, so that they never match. */
  | { readonly kind: "tagBound"; readonly type: string };

const tagBoundTypes = ["matchExact", "matchRepoDigestOrExact", "exactReference", "remapIdentity"];

/** @throws ImageError `policy` */
export function parseSignedIdentity(identity: JsonObject): SignedIdentity {
  const type = identity.string("type");
  if (type === "matchRepository") {
    identity.refuseOthers(["type"]);
    return { kind: "matchRepository" };
  }
  if (type === "exactRepository") {
    identity.refuseOthers(["type", "dockerRepository"]);
    return { kind: "exactRepository", repository: identity.string("dockerRepository") };
  }
  if (tagBoundTypes.includes(type)) return { kind: "tagBound", type };
  throw new ImageError("policy", `${identity.where} has an unknown type`);
}

/** Whether the name in a signature's payload is one that the identity accepts for an image. */
export function acceptsIdentity(identity: SignedIdentity, image: ImageReference, signedName: string): boolean {
  if (identity.kind === "tagBound") return false;
  const wanted = identity.kind === "exactRepository" ? identity.repository : repositoryName(image);
  return signedRepository(signedName) === wanted;
}

/** `registry/repository` */
export function repositoryName(reference: ImageReference): string {
  return formatReference({ ...reference, tag: undefined, digest: undefined });
}

/** The repository of a name that somebody else wrote; undefined when it is no reference. */
function signedRepository(name: string): string | undefined {
  try {
    return repositoryName(parseReference(name));
  } catch {
    return undefined; // such a name matches nothing
  }
}
