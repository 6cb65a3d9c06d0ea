import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseResourceUri } from "../../guest/kbs/index.ts";

describe("resource URI", () => {
  test.each([
    ["kbs:///default/key/1", "resource", "default/key/1", ""],
    ["KBS:///default/key/1", "resource", "default/key/1", ""],
    ["kbs+resource:///default/key/1", "resource", "default/key/1", ""],
    ["kbs://kbs.example.org:8081/alice/decryption-key/1", "resource", "alice/decryption-key/1", ""],
    ["kbs+pkcs11:///resource/repo/type/tag", "pkcs11", "resource/repo/type/tag", ""],
    ["kbs:///repo/type/tag?param1=a&param2=b", "resource", "repo/type/tag", "param1=a&param2=b"],
    ["kbs:///repo/type/tag#fragment", "resource", "repo/type/tag", ""],
    ["kbs:///a/b/c.d-e_f", "resource", "a/b/c.d-e_f", ""],
  ])("%s is read", (text, plugin, path, query) => {
    expect(parseResourceUri(text)).toEqual({ plugin, path, query });
  });

  test.each([
    ["http:///a/b/c", "scheme must be kbs"],
    ["resource:///a/b/c", "scheme must be kbs"],
    ["default/key/1", "scheme must be kbs"],
    ["", "scheme must be kbs"],
    ["kbs://host", "should be kbs://"],
    ["kbs://", "should be kbs://"],
    ["kbs:/a/b/c", "should be kbs://"],
    ["kbs:a/b", "should be kbs://"],
    ["kbs+:///a/b/c", "requires a plugin name"],
    ["kbs+a..%2f:///a/b/c", "plugin has characters"],
  ])("%s is refused", (text, message) => {
    expect(() => parseResourceUri(text)).toThrow(message);
  });

  test.each([
    "kbs:///a/../b/c",
    "kbs:///a/./b",
    "kbs:///a/%2e%2e/c",
    "kbs:///a//c",
    "kbs:///a/b/c/",
    "kbs:////a/b/c",
    "kbs:///",
    "kbs:///a/b",
    "kbs://a/b/c",
    "kbs:///a/b/c/d",
    "kbs:///a/b/.hidden",
    "kbs:///a/b/c d",
    "kbs:///a/b/c\n",
    "kbs:///a/b/c\0",
    "kbs:///a/b/c?x=\r\nHost: evil",
    "kbs:///a\\b/c/d",
    `kbs:///a/b/${"c".repeat(5000)}`,
    "kbs:///a/b/ü",
  ])("threat 125: %j never reaches the broker", (text) => {
    expect(() => parseResourceUri(text)).toThrow("invalid kbs resource uri");
  });

  test("whatever is accepted makes a URL that means the same path", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^kbs(\+[a-z]*)?:\/\/\/[a-z./%?#\\ -]*$/), (text) => {
        let uri: ReturnType<typeof parseResourceUri>;
        try {
          uri = parseResourceUri(text);
        } catch {
          return; // refused, which is always safe
        }
        const url = new URL(`https://kbs/kbs/v0/${uri.plugin}/${uri.path}`);
        expect(url.pathname).toBe(`/kbs/v0/${uri.plugin}/${uri.path}`);
      }),
    );
  });
});
