import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { collect } from "../content.ts";
import { type Digest, digestFileName } from "../digest.ts";
import { ImageError } from "../errors.ts";
import type { ImageCandidate } from "../image-puller.ts";
import { JsonObject } from "../json-object.ts";
import { type Descriptor, parseDescriptor } from "../manifest.ts";
import { acceptsIdentity, type SignedIdentity } from "./signed-identity.ts";

const payloadType = "application/vnd.dev.cosign.simplesigning.v1+json";
const signatureAnnotation = "dev.cosignproject.cosign/signature";
const maxSignatures = 100;
const maxPayloadBytes = 64 * 1024;

/**
 * Proves that somebody with the private key has signed an image with cosign (cosign's SIGNATURE_SPEC; spec/image-pull.md
 * 7.3): the repository has a tag `sha256-<hex>.sig`, whose layers are payloads that name the image, each signed in an
 * annotation. One payload must do it all: verify, name this image's digest (or its index'), and have an accepted name. Others'
 * signatures beside it do no harm.
 *
 * @throws ImageError `policy`; `registry` and others when the registry fails
 */
export async function verifyCosignSignature(
  candidate: ImageCandidate,
  key: KeyObject,
  identity: SignedIdentity | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (identity?.kind === "tagBound") throw new ImageError("policy", `Denied by ${identity.type}`);
  const digests = [candidate.indexDigest, candidate.manifestDigest].filter((digest) => digest !== undefined);
  for (const digest of digests) {
    for (const { descriptor, signature } of await findSignatures(candidate, digest, signal)) {
      const payload = await collect(await candidate.client.blob(descriptor, "signature", signal));
      if (!verifySignature(payload, key, signature)) continue;
      if (namesImage(payload, digest, candidate, identity)) return;
    }
  }
  throw new ImageError("policy", `no cosign signature by the required key for ${digests.join(" or ")}`);
}

/**
 * Reads a public key in PEM.
 *
 * @throws ImageError `policy` for anything but EC P-256 and P-384, RSA and Ed25519
 */
export function parsePublicKey(pem: string): KeyObject {
  try {
    const key = createPublicKey({ key: pem, format: "pem" });
    signatureHash(key);
    return key;
  } catch (error) {
    throw new ImageError("policy", "the key for image signatures is no public key that can be used", { cause: error });
  }
}

async function findSignatures(
  { client }: ImageCandidate,
  digest: Digest,
  signal: AbortSignal,
): Promise<{ descriptor: Descriptor; signature: Buffer }[]> {
  try {
    const { bytes } = await client.manifest(`${digestFileName(digest)}.sig`, signal);
    const layers = JsonObject.parse(bytes, "signature manifest").objects("layers").slice(0, maxSignatures);
    return layers.map(parseDescriptor).flatMap((descriptor) => {
      const annotation = descriptor.annotations.get(signatureAnnotation);
      const usable = descriptor.mediaType === payloadType && descriptor.size <= maxPayloadBytes;
      return usable && annotation !== undefined ? [{ descriptor, signature: Buffer.from(annotation, "base64") }] : [];
    });
  } catch (error) {
    if (error instanceof ImageError && error.kind === "not-found") return [];
    throw error;
  }
}

/** The hash that cosign uses with a key; null where the scheme has its own. */
function signatureHash(key: KeyObject): string | null {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === "ec" && curve === "prime256v1") return "sha256";
  if (key.asymmetricKeyType === "ec" && curve === "secp384r1") return "sha384";
  if (key.asymmetricKeyType === "rsa") return "sha256";
  if (key.asymmetricKeyType === "ed25519") return null;
  throw new ImageError("policy", `keys of type ${key.asymmetricKeyType} ${curve ?? ""} are not supported`);
}

function verifySignature(payload: Buffer, key: KeyObject, signature: Buffer): boolean {
  return verify(signatureHash(key), payload, key, signature);
}

/** Whether a verified payload (simple signing, JSON) is about this image. */
function namesImage(
  payload: Buffer,
  digest: Digest,
  { reference }: ImageCandidate,
  identity: SignedIdentity | undefined,
): boolean {
  const critical = JsonObject.parse(payload, "signature payload", "policy").object("critical");
  if (critical.object("image").string("docker-manifest-digest") !== digest) return false;
  if (identity === undefined) return true;
  return acceptsIdentity(identity, reference, critical.object("identity").string("docker-reference"));
}
