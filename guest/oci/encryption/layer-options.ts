import { decodeBase64 } from "../../core/base64.ts";
import type { Digest } from "../digest.ts";
import { parseDigest } from "../digest.ts";
import { ImageError } from "../errors.ts";
import { JsonObject } from "../json-object.ts";
import type { Descriptor } from "../manifest.ts";

/** What an encrypted layer's descriptor says openly (spec/image-pull.md 12.1; ocicrypt). Nothing of it is authenticated. */
export interface PublicLayerOptions {
  /** HMAC-SHA256 over the ciphertext. */
  readonly hmac: Buffer;
  readonly nonce: Buffer | undefined;
  /** Annotation packets, each of which may hold the key for us, in the order to try them. */
  readonly packets: readonly Buffer[];
}

/** What the key provider unwraps. */
export interface PrivateLayerOptions {
  /** 32 bytes, for cipher and HMAC. */
  readonly key: Buffer;
  readonly nonce: Buffer | undefined;
  /** Digest of the decrypted, still compressed layer, where the encryptor noted it. */
  readonly digest: Digest | undefined;
}

const optionsAnnotation = "org.opencontainers.image.enc.pubopts";
const packetAnnotation = "org.opencontainers.image.enc.keys.provider.";
const cipher = "AES_256_CTR_HMAC_SHA256";
/** Each may cost a request to the key broker. */
const maxPackets = 16;

/** @throws ImageError `decryption` */
export function parsePublicOptions({ annotations, digest }: Descriptor): PublicLayerOptions {
  const text = annotations.get(optionsAnnotation);
  if (text === undefined) throw decryptionError(`layer ${digest} has no encryption options`);
  const options = JsonObject.parse(bytesOf(text, "options"), "encryption options", "decryption");
  if (options.string("cipher") !== cipher) throw decryptionError(`layer ${digest} uses an unknown cipher`);
  return {
    hmac: sized(options.string("hmac"), 32, "hmac"),
    nonce: optionalNonce(options),
    packets: packetsOf(annotations),
  };
}

/**
 * @param bytes JSON with secrets in it; they go into no error
 * @throws ImageError `decryption`
 */
export function parsePrivateOptions(bytes: Uint8Array): PrivateLayerOptions {
  const options = JsonObject.parse(bytes, "unwrapped key", "decryption");
  const digest = options.optionalString("digest");
  return {
    key: sized(options.string("symkey"), 32, "symkey"),
    nonce: optionalNonce(options),
    digest:
      digest === undefined || digest === "" ? undefined : parseDigest(digest, "digest of the layer", "decryption"),
  };
}

export function decryptionError(why: string, cause?: unknown): ImageError {
  return new ImageError("decryption", `Failed to decrypt layer: ${why}`, { cause });
}

function packetsOf(annotations: ReadonlyMap<string, string>): Buffer[] {
  const names = [...annotations.keys()].filter((name) => name.startsWith(packetAnnotation)).sort();
  const texts = names.flatMap((name) => annotations.get(name)?.split(",") ?? []);
  if (texts.length > maxPackets) throw decryptionError(`more than ${maxPackets} wrapped keys`);
  return texts.map((text) => bytesOf(text, "wrapped key"));
}

function optionalNonce(options: JsonObject): Buffer | undefined {
  const nonce = options.optionalObject("cipheroptions")?.optionalString("nonce");
  return nonce === undefined ? undefined : sized(nonce, 16, "nonce");
}

function sized(text: string, size: number, what: string): Buffer {
  const bytes = bytesOf(text, what);
  if (bytes.length !== size) throw decryptionError(`the ${what} has not ${size} bytes`);
  return bytes;
}

function bytesOf(text: string, what: string): Buffer {
  const bytes = decodeBase64(text);
  if (bytes === undefined) throw decryptionError(`the ${what} is no base64`);
  return bytes;
}
