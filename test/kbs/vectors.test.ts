import { createPrivateKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "../../guest/kbs/canonical-json.ts";
import { decryptJwe } from "../../guest/kbs/jwe.ts";
import { encodeAttestation } from "../../guest/kbs/messages.ts";
import { digestForDevices, digestForTee } from "../../guest/kbs/runtime-data.ts";
import { encodeTeeKeyPem, generateTeeKey, parseTeeKeyPem, teeKeyAlgorithms } from "../../guest/kbs/tee-key.ts";

/** The worked example of spec/kbs-protocol.md 9, computed there by other implementations. */
const nonce = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const x = "h25EughSh_3i_6BnxNsDV_lp8d1mLo-K4lIRbp5eVm0";
const y = "sWWGBynfn-rtnj33r4I3js6E2qlgsKwaJsKbvpQhLNc";
const teePublicKey = { kty: "EC", crv: "P-256", alg: "ECDH-ES+A256KW", x, y } as const;
const d = "anGHAax_7JzpM9McoDreQbLxRfdaY0YjbVgQqa-B2as";
const privateKey = createPrivateKey({ key: { kty: "EC", crv: "P-256", x, y, d }, format: "jwk" });
const runtimeData = { nonce, teePublicKey };

describe("worked example of the protocol", () => {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

  test.each([
    ["sha256", "7710d6e188320aa1277dee04797c3d477b236cd8000d6715df4daa3bd93819fc"],
    ["sha384", "da5d05d1c171ad3c12064d7d4c1a8a3e53df1de3972196f092c915fae69d0dc810c02e699c3465a6b8c7f438d99f361f"],
    [
      "sha512",
      "ed0375b95061b7a1cf0a6dd0db82341288f60c3b0c949b80cf9ec9e2603b4ed3d981831d6ab0b262fe47adde76345d57d91defb06d1aac2c8aefb2f1c9bcbbf3",
    ],
  ] as const)("report data by %s", (hash, digest) => {
    expect(hex(digestForTee(runtimeData, "", hash))).toBe(digest);
  });

  test("report data with additional evidence, and of a device", () => {
    const additional = '{"sampledevice":{"report_data":"AA==","svn":"2"}}';
    expect(hex(digestForTee(runtimeData, additional, "sha384"))).toBe(
      "50095e51ee84250b03499b7e6906e340535b7d0b5ef3d3e802cc2843d7ecc6aba8e80d649415888b6200a71460051a74",
    );
    expect(hex(digestForDevices(runtimeData, "sha384"))).toBe(
      "2b789ab633a437bf64ebb751d5bf51d54c8a32bde0b203c7bb917fb6a2d61ff6b1d16dd02abf5393e74bfa8a26ce53c5",
    );
  });

  test("body of /attest", () => {
    const primaryEvidence =
      '{"svn":"1","report_data":"2l0F0cFxrTwSBk19TBqKPlPfHeOXIZbwkskV+uadDcgQwC5pnDRlprjH9DjZnzYf"}';
    const body = encodeAttestation({ runtimeData, initData: undefined, primaryEvidence, additionalEvidence: "" });
    expect(JSON.parse(body)).toEqual({
      "init-data": null,
      "runtime-data": { nonce, "tee-pubkey": teePublicKey },
      "tee-evidence": { primary_evidence: JSON.parse(primaryEvidence), additional_evidence: "" },
    });
  });

  test("JWE", async () => {
    const jwe = {
      protected:
        "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00iLCJlcGsiOnsiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsIngiOiI2bTlUY05TdXhUWE9uQXR4Qm5iYjdDYms2eEYwSjlHTVZHcUhtTHhKUGFRIiwieSI6IldiaXVNX0FjYk5lUDZrU204dGJfU293X3BaVzEwTXZSa2lwWjJsVy1HRE0ifX0",
      encrypted_key: "JqN4HwYv87Bpc0dpZoeM-eCDNjlYX1HYkMkcqqNRB2x9EERwU2hlAw",
      iv: "AAECAwQFBgcICQoL",
      ciphertext: "ufgjODaSTQh7UZUeSXPaGHGR",
      tag: "Q_oE8q38xwCoZW7kf9JuhA",
    };
    const plaintext = await decryptJwe(Buffer.from(JSON.stringify(jwe)), { publicKey: teePublicKey, privateKey });
    expect(Buffer.from(plaintext).toString()).toBe("coco secret value\n");
  });
});

describe("canonical JSON", () => {
  test("members are sorted by code units and undefined ones left out", () => {
    expect(canonicalJson({ b: "2", a: { "\u{1f600}": "x", "\ufb33": "y" }, c: undefined })).toBe(
      '{"a":{"\u{1f600}":"x","\ufb33":"y"},"b":"2"}',
    );
  });

  test("escapes are the shortest ones", () => {
    expect(canonicalJson('\u0000\n"\\/\u007f€')).toBe('"\\u0000\\n\\"\\\\/\u007f€"');
  });

  test("half a surrogate pair has no canonical form", () => {
    expect(() => canonicalJson("\ud800")).toThrow(TypeError);
  });
});

describe("TEE key", () => {
  test.each(teeKeyAlgorithms)("%s survives PEM", async (algorithm) => {
    const key = await generateTeeKey(algorithm);
    const pem = encodeTeeKeyPem(key);
    expect(pem).toContain(algorithm === "RSA-OAEP-256" ? "BEGIN RSA PRIVATE KEY" : "BEGIN PRIVATE KEY");
    expect(parseTeeKeyPem(pem).publicKey).toEqual(key.publicKey);
  });

  test("coordinates have their fixed length", async () => {
    for (let i = 0; i < 40; i += 1) {
      const { publicKey } = await generateTeeKey("ECDH-ES+A256KW-P521");
      expect(publicKey).toMatchObject({ x: expect.stringMatching(/^.{88}$/), y: expect.stringMatching(/^.{88}$/) });
    }
  });

  test("keys of other kinds are refused", () => {
    const pem = `-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n`;
    expect(() => parseTeeKeyPem(pem)).toThrow("must be EC on P-256 or P-521, or RSA");
    expect(() => parseTeeKeyPem("nothing")).toThrow("no private key in PEM");
  });
});
