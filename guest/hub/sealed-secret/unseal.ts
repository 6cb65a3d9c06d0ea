import { GuestError } from "../../core/errors.ts";
import { parseResourceUri, type ResourceProvider } from "../../kbs/index.ts";
import { parseBase64, unwrapData } from "./envelope-cipher.ts";
import { parseSealedSecret, parseSealedText, type SealedSecret } from "./sealed-secret.ts";
import { verifySealedText } from "./signature.ts";

/** Decrypts keys inside a key management service (envelope secrets). */
export interface KeyManagementService {
  /** @throws GuestError */
  decrypt(encryptedKey: Uint8Array, keyId: string, signal: AbortSignal): Promise<Uint8Array>;
}

/** What unsealing may use. */
export interface UnsealOptions {
  /** The provider `kbs`. */
  readonly resources: ResourceProvider;
  /** By lower-case name. This program brings none: each needs its vendor's protocol and credentials. */
  readonly keyServices: ReadonlyMap<string, KeyManagementService>;
  /** Opens secrets without looking at their signature; only measured configuration may say so. */
  readonly skipVerification: boolean;
}

/**
 * Opens a sealed secret (spec/sealed-secrets.md 5): signature first, then the secret that it points to or holds.
 *
 * @returns the plaintext, unchanged
 * @throws GuestError
 */
export async function unseal(secret: Uint8Array, options: UnsealOptions, signal: AbortSignal): Promise<Uint8Array> {
  const text = parseSealedText(secret);
  if (!options.skipVerification) await verifySealedText(text, options.resources, signal);
  const sealed = parseSealedSecret(text.payload);
  if (sealed.type === "vault") return getVaultSecret(sealed, options, signal);
  return openEnvelope(sealed, options, signal);
}

function getVaultSecret(
  { provider, name }: SealedSecret & { readonly type: "vault" },
  { resources }: UnsealOptions,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (provider !== "kbs") throw unsupported(provider);
  return resources.getResource(parseResourceUri(name), signal);
}

async function openEnvelope(
  envelope: SealedSecret & { readonly type: "envelope" },
  { keyServices }: UnsealOptions,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const encryptedKey = parseBase64(envelope.encryptedKey, "sealed secret: encrypted_key");
  const iv = parseBase64(envelope.iv, "sealed secret: iv");
  const data = parseBase64(envelope.encryptedData, "sealed secret: encrypted_data");
  const service = keyServices.get(envelope.provider);
  if (service === undefined) throw unsupported(envelope.provider);
  const key = await service.decrypt(encryptedKey, envelope.keyId, signal);
  try {
    return unwrapData(envelope.wrapType, key, iv, data);
  } finally {
    key.fill(0);
  }
}

function unsupported(provider: string): GuestError {
  return new GuestError("unimplemented", "Unsupported provider", { fields: { provider: provider.slice(0, 100) } });
}
