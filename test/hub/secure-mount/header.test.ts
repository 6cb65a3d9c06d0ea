import { beforeAll, describe, expect, test } from "vitest";
import { GuestError } from "../../../guest/core/errors.ts";
import { judgeHeader } from "../../../guest/hub/secure-mount/header-rules.ts";
import { readLuksHeader, rewriteLuksHeader } from "../../../guest/hub/secure-mount/luks-header.ts";
import { cryptsetup, formatted, metadataOf, opensWith, tampered } from "./luks-fixture.ts";

if (cryptsetup === undefined) console.warn("test/hub/secure-mount: cryptsetup is not installed (cryptsetup-bin)");

const key = Buffer.from("the owner's key\n");
const demands = { integrity: false, maxDerivationKib: 1024 * 1024 };
const judge = (device: Buffer, integrity = false): number =>
  judgeHeader(readLuksHeader(device), { ...demands, integrity });

function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof GuestError && error.code === "failed-precondition") return error.message;
    throw error;
  }
  return "accepted";
}

describe.skipIf(cryptsetup === undefined)("headers that cryptsetup has written", () => {
  let device: Buffer = Buffer.alloc(0);
  beforeAll(() => {
    device = formatted(key);
  });

  test("one as it should be is accepted, and its judged copy opens with the same key", () => {
    const dataOffset = judge(device);
    expect(dataOffset).toBe(16 * 1024 * 1024);
    const copy = rewriteLuksHeader(device, readLuksHeader(device), dataOffset);
    expect(copy.length).toBe(dataOffset);
    expect(metadataOf(copy)).toEqual(metadataOf(device));
    expect(opensWith(copy, key)).toBe(true);
    expect(opensWith(copy, Buffer.from("the owner's key"))).toBe(false);
  });

  test.each([
    ["argon2id", ["--pbkdf", "argon2id", "--pbkdf-memory", "65536", "--pbkdf-force-iterations", "4"]],
    ["sectors of 512 bytes", ["--sector-size", "512"]],
    ["a larger JSON area", ["--luks2-metadata-size", "64k"]],
  ])("%s is accepted, too", (_what, options) => {
    expect(judge(formatted(key, options))).toBeGreaterThan(0);
  });

  test("threat 113: a header with a null cipher is refused (CVE-2025-59054)", () => {
    const nullEverywhere = tampered(device, (json) => json.replaceAll("aes-xts-plain64", "cipher_null-ecb"));
    expect(refusalOf(() => judge(nullEverywhere))).toContain("segment.encryption");
    for (const cipher of ["cipher_null", "aes-ecb", "aes-cbc-essiv:sha256", "aes-xts-plain", ""]) {
      const changed = tampered(device, (json) =>
        json.replace('"iv_tweak":"0","encryption":"aes-xts-plain64"', `"iv_tweak":"0","encryption":"${cipher}"`),
      );
      expect(
        refusalOf(() => judge(changed)),
        cipher,
      ).toContain("segment.encryption");
    }
  });

  const changes: readonly (readonly [string, string | RegExp, string, string])[] = [
    [
      "null cipher of a key slot",
      /("area":.*?"encryption":)"aes-xts-plain64"/,
      '$1"cipher_null-ecb"',
      "keyslot.area.encryption",
    ],
    ["key of no bytes", /"key_size":64,"af"/, '"key_size":1,"af"', "keyslot.key_size"],
    ["re-encryption slot", /"type":"luks2"/, '"type":"reencrypt"', "keyslot.type"],
    [
      "re-encryption requirement",
      /"keyslots_size":"(\d+)"/,
      '"keyslots_size":"$1","requirements":{"mandatory":["online-reencrypt-v2"]}',
      "config.requirements",
    ],
    ["unknown flag", /"keyslots_size":"(\d+)"/, '"keyslots_size":"$1","flags":["no-journal"]', "config.flags"],
    ["second segment", /"segments":\{/, '"segments":{"1":{},', "segments"],
    ["linear segment", /"type":"crypt"/, '"type":"linear"', "segment.type"],
    ["other sector size", /"sector_size":4096/, '"sector_size":8192', "segment.sector_size"],
    ["other start of numbering", /"iv_tweak":"0"/, '"iv_tweak":"8"', "segment.iv_tweak"],
    ["a piece of the device", /"size":"dynamic"/, '"size":"4096"', "segment.size"],
    ["unknown member", /"size":"dynamic"/, '"size":"dynamic","flags":["backup-final"]', "segment.flags"],
    ["token", /"tokens":\{\}/, '"tokens":{"0":{"type":"systemd-tpm2","keyslots":["0"]}}', "tokens"],
    ["endless derivation", /"iterations":1000,"salt"/, '"iterations":4294967295,"salt"', "iterations"],
    [
      "greedy derivation",
      /"kdf":\{"type":"pbkdf2","hash":"sha256","iterations":1000,/,
      '"kdf":{"type":"argon2id","time":4,"memory":4194304,"cpus":4,',
      "keyslot.kdf.memory",
    ],
    [
      "weak hash of a derivation",
      /"kdf":\{"type":"pbkdf2","hash":"sha256"/,
      '"kdf":{"type":"pbkdf2","hash":"crc32"',
      "keyslot.kdf.hash",
    ],
    [
      "derivation without a hash",
      /"kdf":\{"type":"pbkdf2","hash":"sha256",/,
      '"kdf":{"type":"pbkdf2",',
      "keyslot.kdf.hash",
    ],
    ["weak hash of the splitter", /"stripes":4000,"hash":"sha256"/, '"stripes":4000,"hash":"crc32"', "keyslot.af"],
    [
      "weak hash of the digest",
      /"hash":"sha256","iterations":(\d+),"salt":"([^"]*)","digest"/,
      '"hash":"crc32","iterations":$1,"salt":"$2","digest"',
      "digest.hash",
    ],
    ["key slot in the data", /"offset":"32768"/, '"offset":"16777216"', "keyslot.area"],
    ["key slot in the header", /"offset":"32768"/, '"offset":"0"', "keyslot.area"],
    ["a name twice", /"type":"crypt"/, '"type":"linear","type":"crypt"', "malformed"],
    ["no JSON", /^\{/, "[", "malformed"],
  ];

  test.each(changes)("threat 113: %s is refused", (_what, pattern, replacement, reason) => {
    const changed = tampered(device, (json) => {
      const result = json.replace(pattern, replacement);
      expect(result).not.toBe(json);
      return result;
    });
    expect(refusalOf(() => judge(changed))).toContain(reason);
  });

  test("threat 113: what two parsers could read differently is written anew, and the second header is wiped", () => {
    // json-c ends a key at an escaped NUL; a strict parser doesn't.
    const hidden = tampered(device, (json) => json.replace('"tokens":{}', '"tokens":{ }'));
    const copy = rewriteLuksHeader(hidden, readLuksHeader(hidden), judge(hidden));
    expect(copy.includes('"tokens":{}')).toBe(true);
    expect(copy.subarray(16384, 32768).every((byte) => byte === 0)).toBe(true);
    const escaped = tampered(device, (json) => json.replace('"tokens":{}', '"tokens":{},"segments\\u0000":{}'));
    expect(refusalOf(() => judge(escaped))).toContain("header.segments");
  });

  test("threat 113: a host that changes the header needs more than the checksum", () => {
    const flipped = Buffer.from(device);
    flipped.writeUInt8(flipped.readUInt8(5000) ^ 1, 5000);
    expect(refusalOf(() => judge(flipped))).toContain("checksum");
    const shrunk = tampered(device, (json, header) => {
      header.writeBigUInt64BE(4096n, 8);
      return json;
    });
    expect(refusalOf(() => judge(shrunk))).toContain("size");
    expect(refusalOf(() => judge(device.subarray(0, 8192)))).toContain("size");
    expect(refusalOf(() => judge(Buffer.alloc(8192)))).toContain("no LUKS header");
    const offset = tampered(device, (json) => json.replace('"16777216"', '"1073741824"'));
    expect(refusalOf(() => rewriteLuksHeader(offset, readLuksHeader(offset), judge(offset)))).toContain("longer");
  });

  test("threat 114: a volume that must be protected against changes is refused without", () => {
    expect(refusalOf(() => judge(device, true))).toContain("segment.integrity");
    const integrity = '"integrity":{"type":"hmac(sha256)","journal_encryption":"none","journal_integrity":"none"},';
    const promised = tampered(device, (json) =>
      json.replace('"sector_size"', `${integrity}"sector_size"`).replace('"key_size":64,"af"', '"key_size":96,"af"'),
    );
    expect(refusalOf(() => judge(promised, true))).toBe("accepted");
    expect(
      refusalOf(() =>
        judge(
          tampered(promised, (json) => json.replace("hmac(sha256)", "none")),
          true,
        ),
      ),
    ).toContain("integrity.type");
  });
});
