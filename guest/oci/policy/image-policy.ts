import { GuestError } from "../../core/errors.ts";
import { ImageError } from "../errors.ts";
import type { ImageCandidate, ImagePolicy } from "../image-puller.ts";
import { formatReference } from "../reference.ts";
import { parsePublicKey, verifyCosignSignature } from "./cosign.ts";
import { type PolicyDocument, type PolicyRequirement, requirementsFor, type SigningKey } from "./policy-document.ts";

/** Fetches a key by its URI: `kbs:///…`, `file:///…` or a bare path. Not to be answered from what the host may write. */
export type KeyResolver = (uri: string, signal: AbortSignal) => Promise<Uint8Array>;

/**
 * A policy that asks for signatures (spec/image-pull.md 7). It judges an image under the name that was asked for, wherever a
 * mirror took it from. All requirements of the image's scope must hold.
 */
export function createImagePolicy(document: PolicyDocument, resolveKey: KeyResolver): ImagePolicy {
  return {
    async verify(candidate, signal) {
      for (const requirement of requirementsFor(document, candidate.reference)) {
        await requireOne(requirement, candidate, signal);
      }
    },
  };

  async function requireOne(
    requirement: PolicyRequirement,
    candidate: ImageCandidate,
    signal: AbortSignal,
  ): Promise<void> {
    switch (requirement.kind) {
      case "insecureAcceptAnything":
        return;
      case "reject":
        throw denied(`Policy \`reject\` rejects image ${formatReference(candidate.reference)}`);
      case "signedBy":
        throw denied("rejected by `signedBy` rule", new ImageError("policy", "OpenPGP signatures are not supported"));
      case "sigstoreSigned":
        await requireSignature(requirement, candidate, signal);
    }
  }

  async function requireSignature(
    { key, identity }: Extract<PolicyRequirement, { kind: "sigstoreSigned" }>,
    candidate: ImageCandidate,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const publicKey = parsePublicKey(await keyText(key, signal));
      await verifyCosignSignature(candidate, publicKey, identity, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof GuestError)) throw error;
      throw denied("rejected by `sigstoreSigned` rule", error);
    }
  }

  async function keyText(key: SigningKey, signal: AbortSignal): Promise<string> {
    if (key.kind === "path") return Buffer.from(await resolveKey(key.uri, signal)).toString("utf8");
    // The reference takes PEM, containers/image base64 of PEM.
    return key.text.includes("-----BEGIN") ? key.text : Buffer.from(key.text, "base64").toString("utf8");
  }
}

function denied(reason: string, cause?: unknown): ImageError {
  return new ImageError("policy", `Image policy rejected: Denied by policy: ${reason}`, { cause });
}
