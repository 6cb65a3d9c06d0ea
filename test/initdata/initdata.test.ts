import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { composeInitdata } from "../../guest/initdata/compose-document.ts";
import { parseInitdata } from "../../guest/initdata/initdata.ts";
import { summarizeInitdata } from "../../guest/initdata/summary.ts";
import { bytesOf, minimalDocument } from "./documents.ts";

const head = 'algorithm = "sha256"\nversion = "0.1.0"\n';

/** Each wrong document, and what its error must say: the key first. */
const refused: readonly (readonly [string, string, string])[] = [
  [
    "no algorithm",
    'version = "0.1.0"\n[data]',
    "initdata: algorithm: must be one of sha256, sha384, sha512, is missing",
  ],
  [
    "weak algorithm",
    'algorithm = "md5"\nversion = "0.1.0"\n[data]',
    'initdata: algorithm: must be one of sha256, sha384, sha512, is "md5"',
  ],
  ["IANA spelling", 'algorithm = "sha-256"\nversion = "0.1.0"\n[data]', "initdata: algorithm: "],
  ["upper case", 'algorithm = "SHA256"\nversion = "0.1.0"\n[data]', "initdata: algorithm: "],
  [
    "algorithm is a number",
    'algorithm = 256\nversion = "0.1.0"\n[data]',
    "initdata: algorithm: must be one of sha256, sha384, sha512, is a number",
  ],
  ["no version", 'algorithm = "sha256"\n[data]', 'initdata: version: must be "0.1.0", is missing'],
  [
    "other version",
    'algorithm = "sha256"\nversion = "0.2.0"\n[data]',
    'initdata: version: must be "0.1.0", is "0.2.0"',
  ],
  ["no data", head, "initdata: data: must be a table of file name to text, is missing"],
  ["data is text", `${head}data = "x"`, 'initdata: data: must be a table of file name to text, is "x"'],
  ["data is a list", `${head}data = []`, "initdata: data: must be a table of file name to text, is an array"],
  [
    "unquoted name",
    `${head}[data]\naa.toml = "x"`,
    'initdata: data."aa": must be a string, is a table; a name with a dot needs quotes, as in "aa.toml" = …',
  ],
  ["entry is a number", `${head}[data]\n"cdh.toml" = 1`, 'initdata: data."cdh.toml": must be a string, is a number'],
  ["unknown entry is no string", `${head}[data]\n"x" = []`, 'initdata: data."x": must be a string, is an array'],
  ["duplicate entry", `${head}[data]\n"aa.toml" = ""\n"aa.toml" = ""`, "initdata: document: TOML line 5"],
  ["broken aa.toml", `${head}[data]\n"aa.toml" = "[x"`, 'initdata: data."aa.toml": TOML line 1'],
  ["broken cdh.toml", `${head}[data]\n"cdh.toml" = "a = 1\\na = 2"`, 'initdata: data."cdh.toml": TOML line 2'],
  [
    "both policies",
    `${head}[data]\n"policy.rego" = "package x"\n"policy.wasm" = "AAAA"`,
    'initdata: data."policy.wasm": stands beside policy.rego',
  ],
  [
    "policy.wasm is no base64",
    `${head}[data]\n"policy.wasm" = "AA-_"`,
    'initdata: data."policy.wasm": must be the module in standard base64',
  ],
  ["byte order mark", `\ufeff${head}[data]`, "initdata: document: TOML line 1, column 1: byte order mark"],
  [
    "65 entries",
    `${head}[data]\n${Array.from({ length: 65 }, (_, n) => `k${n} = ""`).join("\n")}`,
    "initdata: data: more than 64 entries",
  ],
  ["nothing", "", "initdata: algorithm: "],
];

describe("scenario I3: an error names the key and says what to do", () => {
  test.each(refused)("%s", (_name, document, message) => {
    expect(() => parseInitdata(bytesOf(document))).toThrow(message);
  });

  test("threat 87: not UTF-8", () => {
    const document = Uint8Array.of(...bytesOf(`${head}[data]\nx = "`), 0xff, 0x22);
    expect(() => parseInitdata(document)).toThrow("initdata: document: TOML document is not valid UTF-8");
  });

  test("too long", () => {
    expect(() => parseInitdata(new Uint8Array(8 * 1024 * 1024 + 1))).toThrow("initdata: document: longer than 8388608");
    const entry = `${head}[data]\n"policy.rego" = '''${"x".repeat(4 * 1024 * 1024 + 1)}'''`;
    expect(() => parseInitdata(bytesOf(entry))).toThrow('initdata: data."policy.rego": longer than 4194304');
  });
});

describe("scenario I3: entries", () => {
  test("are the attestation agent's and data hub's configuration and the policy", () => {
    const initdata = parseInitdata(bytesOf(minimalDocument));
    expect(JSON.stringify(initdata.attestationAgent?.table["token_configs"])).toBe(
      '{"kbs":{"url":"http://192.168.122.1:8080"}}',
    );
    expect(JSON.stringify(initdata.dataHub?.table["kbc"])).toBe('{"name":"cc_kbc","url":"http://192.168.122.1:8080"}');
    expect(initdata.policy?.kind).toBe("rego");
    expect(initdata.skipped).toEqual([]);
  });

  test("an empty entry differs from an absent one", () => {
    const initdata = parseInitdata(bytesOf(`${head}[data]\n"aa.toml" = ""`));
    expect(initdata.attestationAgent?.text).toBe("");
    expect(initdata.dataHub).toBeUndefined();
  });

  test.each([
    "./policy.rego",
    "../aa.toml",
    "/run/peerpod/aa.toml",
    "x/../cdh.toml",
    "../../etc/passwd",
    "POLICY.REGO",
  ])("threat 88: %s is skipped, whatever path it might stand for", (name) => {
    const initdata = parseInitdata(bytesOf(`${head}[data]\n'${name}' = "x"`));
    expect(initdata.skipped).toEqual([name]);
    expect([initdata.attestationAgent, initdata.dataHub, initdata.policy]).toEqual([undefined, undefined, undefined]);
  });

  test("a policy.wasm is decoded", () => {
    const { policy } = parseInitdata(bytesOf(`${head}[data]\n"policy.wasm" = "AGFzbQ=="`));
    expect(policy).toEqual({ kind: "wasm", module: Buffer.from("\0asm") });
  });

  test("other top-level keys are ignored, as by all readers", () => {
    expect(parseInitdata(bytesOf(`extra = 1\n${head}[data]`)).sizes.size).toBe(0);
  });
});

test("scenario I4, threat 91: certificates may be in it, private keys are warned about", () => {
  const with_ = (label: string) =>
    parseInitdata(bytesOf(`${head}[data]\n"cdh.toml" = '''\ncert = """\n-----BEGIN ${label}-----\nAA==\n"""\n'''`))
      .warnings;
  expect(with_("CERTIFICATE")).toEqual([]);
  expect(with_("EC PRIVATE KEY")).toEqual([expect.stringContaining('data."cdh.toml" holds a private key')]);
});

test("scenario I6: one line says what is in it", () => {
  expect(summarizeInitdata(parseInitdata(bytesOf(minimalDocument)))).toBe(
    "sha256:86fd1cca6de294f50a2849145173d667321cbb7d2c401d0117cf8ffd689b0775; aa.toml (70 bytes), cdh.toml (130 bytes), policy.rego (139 bytes)",
  );
  const hostile = parseInitdata(bytesOf(`${head}[data]\n"a\\nFAKE LINE" = ""`));
  expect(summarizeInitdata(hostile)).toMatch(/; no entries; skipped "a\\nFAKE LINE"$/);
});

test("composeInitdata writes documents that hold exactly their entries", () => {
  const text = fc.string({ unit: fc.constantFrom("'''", "\n", "\r\n", '"', "\\", "x", "ü", "\0"), maxLength: 40 });
  fc.assert(
    fc.property(text, fc.constantFrom("sha256", "sha384", "sha512"), (rego, algorithm) => {
      const entries = new Map([
        ["policy.rego", rego],
        ["other", rego],
      ]);
      const initdata = parseInitdata(bytesOf(composeInitdata(algorithm, entries)));
      expect(initdata.policy).toEqual({ kind: "rego", text: rego });
      expect(initdata.algorithm).toBe(algorithm);
    }),
  );
});
