import {
  constants,
  createCipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import { keyObjectOf, type TeePublicKey } from "./tee-public-key.ts";

/**
 * Encrypts as the broker does (spec/kbs-protocol.md 5), by hand: the order of the header's members is part of the contract, and a
 * test that used the client's own library would prove little.
 */
export function encryptForTee(key: TeePublicKey, plaintext: Uint8Array): Record<string, string> {
  const contentKey = randomBytes(32);
  const { header, encryptedKey } = key.kty === "EC" ? agreeKey(key, contentKey) : encryptKey(key, contentKey);
  const protectedHeader = Buffer.from(JSON.stringify(header)).toString("base64url");
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", contentKey, iv).setAAD(Buffer.from(protectedHeader));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return {
    protected: protectedHeader,
    encrypted_key: encryptedKey.toString("base64url"),
    iv: iv.toString("base64url"),
    ciphertext: ciphertext.toString("base64url"),
    tag: cipher.getAuthTag().toString("base64url"),
  };
}

interface WrappedKey {
  readonly header: object;
  readonly encryptedKey: Buffer;
}

function agreeKey(key: TeePublicKey, contentKey: Buffer): WrappedKey {
  const crv = key["crv"] ?? "";
  const ephemeral = generateKeyPairSync("ec", { namedCurve: crv });
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: keyObjectOf(key) });
  const { x, y } = ephemeral.publicKey.export({ format: "jwk" });
  const wrap = createCipheriv("id-aes256-wrap", concatKdf(shared), Buffer.alloc(8, 0xa6));
  return {
    header: { alg: "ECDH-ES+A256KW", enc: "A256GCM", epk: { crv, kty: "EC", x, y } },
    encryptedKey: Buffer.concat([wrap.update(contentKey), wrap.final()]),
  };
}

function encryptKey(key: TeePublicKey, contentKey: Buffer): WrappedKey {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return {
    header: { alg: "RSA-OAEP-256", enc: "A256GCM" },
    encryptedKey: publicEncrypt({ key: keyObjectOf(key), padding, oaepHash: "sha256" }, contentKey),
  };
}

/** RFC 7518 4.6.2 with empty party information and 256 bits. */
function concatKdf(shared: Buffer): Buffer {
  const algorithm = Buffer.from("ECDH-ES+A256KW");
  const words = (value: number): Buffer => {
    const word = Buffer.alloc(4);
    word.writeUInt32BE(value);
    return word;
  };
  const input = [words(1), shared, words(algorithm.length), algorithm, words(0), words(0), words(256)];
  return createHash("sha256").update(Buffer.concat(input)).digest();
}
