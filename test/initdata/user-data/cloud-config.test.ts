import { describe, expect, test } from "vitest";
import { describeFailure } from "../../../guest/core/errors.ts";
import { decodeAnnotation } from "../../../guest/initdata/encodings.ts";
import { parseCloudConfig } from "../../../guest/initdata/user-data/cloud-config.ts";
import { sortDelivered } from "../../../guest/initdata/user-data/delivered-files.ts";
import { bytesOf, hex, minimalAnnotation, minimalDocument } from "../documents.ts";

/** As the worker writes it (spec/userdata.md 4). */
const generated = `#cloud-config

write_files:
  - path: /run/peerpod/apf.json
    content: |
      {
          "pod-namespace": "default"
      }
  - path: /run/peerpod/initdata
    content: |
      ${minimalAnnotation}
  - path: /run/peerpod/scratch-space.marker
`;

describe("parseCloudConfig", () => {
  test("reads what the worker generates", () => {
    expect(parseCloudConfig(generated)).toEqual([
      { path: "/run/peerpod/apf.json", content: '{\n    "pod-namespace": "default"\n}\n' },
      { path: "/run/peerpod/initdata", content: `${minimalAnnotation}\n` },
      { path: "/run/peerpod/scratch-space.marker", content: "" },
    ]);
    expect(parseCloudConfig(generated.replaceAll("\n", "\r\n"))).toEqual(parseCloudConfig(generated));
  });

  test("scenario I1: the newline that the delivery adds does not touch the document", () => {
    const { initdata = "" } = sortDelivered(parseCloudConfig(generated));
    expect(hex(decodeAnnotation(initdata))).toBe(hex(bytesOf(minimalDocument)));
  });

  test.each(["", "\n", "# only a comment\n", "---\n", "{}", "write_files: []", "write_files:\n"])(
    "%j asks for nothing",
    (text) => {
      expect(parseCloudConfig(text)).toEqual([]);
    },
  );

  test("scalars are text, whatever they look like", () => {
    const content = (scalar: string) => parseCloudConfig(`write_files: [{path: /x, content: ${scalar}}]`)[0]?.content;
    expect(["1", "true", "null", "~", "2026-01-01", "0x1f", "1e3"].map(content)).toEqual([
      "1",
      "true",
      "null",
      "~",
      "2026-01-01",
      "0x1f",
      "1e3",
    ]);
  });

  const entry = (more: string) => `write_files:\n  - path: /x\n    ${more}\n`;
  test.each([
    ["another top-level key", "runcmd: [reboot]\n", 'the document has the key "runcmd"; allowed: write_files'],
    ["a known key beside another", `${entry("content: a")}hostname: x\n`, 'has the key "hostname"'],
    ["permissions", entry("permissions: '0777'"), 'write_files entry 1 has the key "permissions"'],
    ["an encoding", entry("encoding: gz+b64"), 'has the key "encoding"'],
    ["__proto__", entry("__proto__: {}"), 'has the key "__proto__"'],
    ["a duplicate key", entry("path: /y"), "no valid YAML at line 3 (DUPLICATE_KEY)"],
    ["a duplicate list", "write_files: []\nwrite_files: []\n", "no valid YAML at line 2 (DUPLICATE_KEY)"],
    ["no list", "write_files: x\n", "write_files is not a list"],
    ["a list of text", "write_files: [x]\n", "write_files entry 1 is not a mapping"],
    ["a list at the top", "- a\n", "no cloud-config: the document is not a mapping"],
    ["no path", "write_files: [{content: a}]\n", "write_files entry 1: path is missing"],
    ["content that is a list", entry("content: [a]"), "write_files entry 1: content is not text"],
    ["a second document", `${generated}---\n${generated}`, "more than one YAML document"],
    ["an anchor", entry("content: &a text"), "anchors and aliases are not allowed"],
    ["an alias", "write_files:\n  - &a {path: /x}\n  - *a\n", "anchors and aliases are not allowed"],
    ["a merge key", "write_files:\n  - <<: {path: /x}\n", 'has the key "<<"'],
    ["a tag", entry("content: !!binary AAAA"), "tags are not allowed"],
    ["a tag of its own", entry("content: !include /etc/passwd"), "no valid YAML at line 3 (TAG_RESOLVE_FAILED)"],
    ["33 entries", `write_files:\n${"  - path: /x\n".repeat(33)}`, "more than 32 entries"],
    ["broken YAML", "write_files: [", "user data: "],
    ["a tab as indent", "write_files:\n\t- path: /x\n", "user data: "],
    ["binary", "\u0000\u0001", "user data: "],
  ])("threat 90: %s is refused", (_name, text, problem) => {
    expect(() => parseCloudConfig(text)).toThrow(problem);
  });

  test.each([
    ["an unclosed quote", 'write_files:\n  - path: "/x\n    content: SECRET\n'],
    ["a lost indent", "write_files:\n  - path: /x\n    content: |\n      a\nSECRET\n"],
    ["text after a quote", "write_files:\n  - path: '/x' SECRET\n"],
    ["a stray bracket", "write_files: [{path: /x, content: SECRET}}\n"],
    ["an unknown anchor", "write_files:\n  - path: *SECRET\n"],
    ["an unknown tag", "write_files:\n  - path: !SECRET x\n"],
  ])("threat 74: a fault in the text is named by its line, and nothing of the text is quoted: %s", (_name, text) => {
    let failure = "";
    try {
      parseCloudConfig(text);
    } catch (error) {
      failure = describeFailure(error);
    }
    expect(failure).toMatch(/^user data: (no valid YAML at line \d+|anchors and aliases)/);
    expect(failure).not.toContain("SECRET");
  });

  test("threat 90: bombs of aliases, depth and size are refused", () => {
    const levels = Array.from({ length: 30 }, (_, level) => `a${level}: &a${level} [*a${level - 1}, *a${level - 1}]`);
    expect(() => parseCloudConfig(`a-1: &a-1 x\n${levels.join("\n")}\n`)).toThrow("user data: ");
    expect(() => parseCloudConfig("[".repeat(20_000))).toThrow("user data: ");
    expect(() => parseCloudConfig(`write_files: ${"[".repeat(5_000)}${"]".repeat(5_000)}`)).toThrow("user data: ");
    expect(() => parseCloudConfig("x".repeat(1024 * 1024 + 1))).toThrow("longer than 1048576");
  });
});

describe("sortDelivered", () => {
  test.each(["/run/peerpod/aa.toml", "/run/peerpod/cdh.toml"])(
    "threat 84: %s is not taken, nobody has measured it",
    (path) => {
      const delivered = sortDelivered([{ path, content: "[token_configs.kbs]\nurl = 'http://evil'" }]);
      expect(delivered.refused).toEqual([{ path, reason: "taken from initdata only, since nothing measures it here" }]);
      expect(JSON.stringify(delivered)).not.toContain("evil");
    },
  );

  test.each([
    "/run/peerpod/policy.rego",
    "/run/peerpod/initdata.digest",
    "/run/peerpod/daemon.json",
    "/run/peerpod/../peerpod/apf.json",
    "/run//peerpod/apf.json",
    "/run/peerpod/apf.json/",
    "run/peerpod/apf.json",
    "/etc/shadow",
    "__proto__",
  ])("threat 88: %s is not among the files that user data may bring", (path) => {
    const { refused, ...taken } = sortDelivered([{ path, content: "x" }]);
    expect(refused).toEqual([{ path, reason: "not among the files that user data may bring" }]);
    expect(taken).toEqual({
      forwarderConfiguration: undefined,
      registryCredentials: undefined,
      initdata: undefined,
      scratchSpace: false,
    });
  });

  test("of several files with one path the last counts", () => {
    const path = "/run/peerpod/auth.json";
    const files = [
      { path, content: "first" },
      { path, content: "last" },
    ];
    expect(sortDelivered(files).registryCredentials).toBe("last");
  });
});
