import { describe, expect, test } from "vitest";
import { encodeBase64 } from "../../guest/core/base64.ts";
import { absentInitdata } from "../../guest/initdata/compose-document.ts";
import { digestOf, launchDataOf, parseDigest, pcr8Of, requireDigest } from "../../guest/initdata/digest.ts";
import { parseInitdata } from "../../guest/initdata/initdata.ts";
import { bytesOf, hex, minimalDocument } from "./documents.ts";

/** spec/initdata.md 10.1; computed there with sha*sum and a software TPM. */
const published = [
  {
    algorithm: "sha256",
    digest: "86fd1cca6de294f50a2849145173d667321cbb7d2c401d0117cf8ffd689b0775",
    snp: "hv0cym3ilPUKKEkUUXPWZzIcu30sQB0BF8+P/WibB3U=",
    tdx: "hv0cym3ilPUKKEkUUXPWZzIcu30sQB0BF8+P/WibB3UAAAAAAAAAAAAAAAAAAAAA",
    cca: "hv0cym3ilPUKKEkUUXPWZzIcu30sQB0BF8+P/WibB3UAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
    pcr8: "56236d94c0a855827cee7e57a28186706395366d34bc09b4dcc04632415cf4e9",
  },
  {
    algorithm: "sha384",
    digest: "d13172360e5e41a21dccb937e573e3066f3d9008cf929f64e02673ad7cb0c4cf2e8164738832e2edd2e1ccdf3725c0d3",
    snp: "0TFyNg5eQaIdzLk35XPjBm89kAjPkp9k4CZzrXywxM8=",
    tdx: "0TFyNg5eQaIdzLk35XPjBm89kAjPkp9k4CZzrXywxM8ugWRziDLi7dLhzN83JcDT",
    cca: "0TFyNg5eQaIdzLk35XPjBm89kAjPkp9k4CZzrXywxM8ugWRziDLi7dLhzN83JcDTAAAAAAAAAAAAAAAAAAAAAA==",
    pcr8: "c892b130fe86ce7c06a9030a9fbf25c3be295160c2faff39549d2ddbe792202a",
  },
  {
    algorithm: "sha512",
    digest:
      "9ef064ee0d2a43d054b3ce347773aea20c030691f5601e086761f6f34100d91405426759b41075c83a7d837b35659baa76a6003df2a940e3d07a8c245e0be658",
    snp: "nvBk7g0qQ9BUs840d3OuogwDBpH1YB4IZ2H280EA2RQ=",
    tdx: "nvBk7g0qQ9BUs840d3OuogwDBpH1YB4IZ2H280EA2RQFQmdZtBB1yDp9g3s1ZZuq",
    cca: "nvBk7g0qQ9BUs840d3OuogwDBpH1YB4IZ2H280EA2RQFQmdZtBB1yDp9g3s1ZZuqdqYAPfKpQOPQeowkXgvmWA==",
    pcr8: "091032b16a5202789e9949c28a104cf5158bd4552029c8b461901723c0d54827",
  },
] as const;

describe.each(published)("threat 89: a $algorithm document", ({ algorithm, digest, snp, tdx, cca, pcr8 }) => {
  const initdata = parseInitdata(bytesOf(minimalDocument.replace("sha256", algorithm)));

  test("scenario I1: has the published digest over its exact bytes", () => {
    expect(hex(initdata.digest)).toBe(digest);
  });

  test("scenario I5: has the published launch data and PCR 8", () => {
    expect(encodeBase64(launchDataOf(initdata.digest, "snp"))).toBe(snp);
    expect(encodeBase64(launchDataOf(initdata.digest, "tdx"))).toBe(tdx);
    expect(encodeBase64(launchDataOf(initdata.digest, "cca"))).toBe(cca);
    expect(launchDataOf(initdata.digest, "se")).toHaveLength(256);
    expect(hex(pcr8Of(initdata.digest))).toBe(pcr8);
  });
});

test.each([
  [
    "final newline removed",
    minimalDocument.slice(0, -1),
    "f87270dc21f343ef5a89815adcc2f86da54681b49a4ef070fcdc17e92758dd1c",
  ],
  [
    "LF to CRLF",
    minimalDocument.replaceAll("\n", "\r\n"),
    "cfe0b618fc01b061120b89a4bd555e0f7d4543fef6d9eaa4c9a233f3a472108c",
  ],
  ["byte order mark", `\ufeff${minimalDocument}`, "6297e875dee61104692ab5622f4faa0085b42e3144eb9fb181ff3b2ca60867da"],
])("threat 81: one change of bytes gives another digest: %s", (_name, document, digest) => {
  expect(hex(digestOf("sha256", bytesOf(document)))).toBe(digest);
});

test("threat 83: the document that stands for none has the well-known digest and PCR 8", () => {
  const { digest, attestationAgent, policy } = parseInitdata(absentInitdata);
  expect(absentInitdata).toHaveLength(66);
  expect(hex(digest)).toBe("adb48cc14fea9403d3d51f3b5f5068fd4d80445a14e94f1b3d5dbabaad66478d");
  expect(hex(pcr8Of(digest))).toBe("4b58b30becd30d16f7f60d56b32661d921ae0d3310c6a89f5d552f9bfee921a9");
  expect(attestationAgent?.text).toBe("");
  expect(policy).toBeUndefined();
});

describe("an expected digest", () => {
  const digest = digestOf("sha256", bytesOf(minimalDocument));

  test("is read from hex and base64", () => {
    expect(hex(parseDigest(`${hex(digest).toUpperCase()}\n`))).toBe(hex(digest));
    expect(hex(parseDigest(encodeBase64(digest)))).toBe(hex(digest));
  });

  test.each(["", "abc", "z!".repeat(32), hex(digest).slice(2), "A".repeat(43)])("refuses %j", (text) => {
    expect(() => parseDigest(text)).toThrow(/initdata: expected digest: neither hex nor base64/);
  });

  test("threat 81: matches as a whole, or cut and padded as a platform reports it", () => {
    requireDigest(digest, digest);
    requireDigest(digest, launchDataOf(digest, "tdx"), "tdx");
    const long = digestOf("sha512", bytesOf(minimalDocument));
    requireDigest(long, long.slice(0, 32), "snp");
    expect(() => requireDigest(long, long.slice(0, 32))).toThrow(/initdata: digest: /);
    expect(() => requireDigest(digest, launchDataOf(digest, "tdx"))).toThrow(/initdata: digest: /);
  });

  test("threat 81: one flipped bit is a mismatch that names both digests", () => {
    const flipped = Uint8Array.from(digest);
    flipped[31] = (flipped[31] ?? 0) ^ 1;
    expect(() => requireDigest(digest, flipped)).toThrow(new RegExp(`${hex(digest)}.*${hex(flipped)}`));
    expect(() => requireDigest(digest, new Uint8Array(0))).toThrow(/digest/);
  });
});
