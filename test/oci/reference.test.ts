import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ImageError } from "../../guest/oci/errors.ts";
import { formatReference, manifestName, parseReference } from "../../guest/oci/reference.ts";

const hex64 = "0123456789abcdef".repeat(4);

describe("references", () => {
  test.each([
    ["busybox", "docker.io/library/busybox:latest"],
    ["opensuse/leap:15.3", "docker.io/opensuse/leap:15.3"],
    ["test:5000/repo", "test:5000/repo:latest"],
    ["test.com:tag", "docker.io/library/test.com:tag"],
    ["localhost/x", "localhost/x:latest"],
    ["index.docker.io/library/x", "docker.io/library/x:latest"],
    ["[::1]:5000/a/b:c", "[::1]:5000/a/b:c"],
    [`quay.io/a/b@sha256:${hex64}`, `quay.io/a/b@sha256:${hex64}`],
    [`quay.io/a/b:t@sha512:${hex64}${hex64}`, `quay.io/a/b:t@sha512:${hex64}${hex64}`],
  ])("%s means %s", (text, canonical) => {
    expect(formatReference(parseReference(text))).toBe(canonical);
  });

  test("a digest beats a tag as what is fetched", () => {
    expect(manifestName(parseReference(`a/b:t@sha256:${hex64}`))).toBe(`sha256:${hex64}`);
    expect(manifestName(parseReference("a/b:t"))).toBe("t");
  });

  test.each([
    "",
    "quay.io/A/b",
    "repo@sha256:abc",
    `repo@sha256:${hex64.toUpperCase()}`,
    `repo@md5:${hex64.slice(32)}`,
    `repo@__proto__:${hex64}`,
    "https://quay.io/a",
    "quay.io/",
    "quay.io/a//b",
    "quay.io/../a",
    "quay.io/a:",
    `quay.io/a:${"t".repeat(129)}`,
    `quay.io/${"a".repeat(256)}`,
    "quay.io:port/a",
    "user@quay.io/a",
    "quay.io/a b",
    "quay.io/a\0b",
    "a".repeat(5000),
    "-quay.io/a",
    "quay.io/a?b",
    "quay.io/a#b",
    "quay.io/a%2fb",
  ])("refuses %j", (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ peerMessage: "Illegal image reference" }));
  });

  test("what parses has a canonical form that parses to the same", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."aZ09.:/@-_ "), maxLength: 40 }), (text) => {
        try {
          const reference = parseReference(text);
          expect(parseReference(formatReference(reference))).toEqual(reference);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
        }
      }),
    );
  });
});
