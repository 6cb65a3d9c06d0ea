import { flattenedDecrypt } from "jose";
import type { JsonObject } from "../core/json.ts";
import { KbsError } from "./errors.ts";
import { parseObject } from "./messages.ts";
import type { TeeKey } from "./tee-key.ts";

const base64url = /^[A-Za-z0-9_-]*$/;

/**
 * Opens what the broker encrypted for this VM: a flattened JWE (RFC 7516 7.2.2, spec/kbs-protocol.md 5). Key agreement must be
 * the key's own and the cipher AES-256-GCM; `dir`, `none`, RSA1_5 and compression are refused (threat model row 97). All
 * cryptographic failures look alike (row 104).
 *
 * @throws KbsError `malformed` when the body is no JWE, `decryption` for everything else
 */
export async function decryptJwe(body: Uint8Array, key: TeeKey): Promise<Uint8Array> {
  const message = parseObject(body, "resource");
  const jwe = {
    protected: encodedMember(message, "protected"),
    encrypted_key: encodedMember(message, "encrypted_key"),
    iv: encodedMember(message, "iv"),
    ciphertext: encodedMember(message, "ciphertext"),
    tag: encodedMember(message, "tag"),
  };
  try {
    const { plaintext } = await flattenedDecrypt(jwe, key.privateKey, {
      keyManagementAlgorithms: [key.publicKey.alg],
      contentEncryptionAlgorithms: ["A256GCM"],
      maxDecompressedLength: 0,
    });
    return plaintext;
  } catch {
    // The cause would tell how far decryption came.
    throw new KbsError("decryption", "the key broker's answer can't be decrypted with this VM's key");
  }
}

function encodedMember(message: JsonObject, name: string): string {
  const text = message[name];
  if (typeof text === "string" && base64url.test(text)) return text;
  throw new KbsError("malformed", `the key broker's resource has no usable member ${name}`);
}
