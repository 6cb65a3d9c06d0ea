import { describe, expect, test } from "vitest";
import { parseApfFile } from "../../guest/compose/apf-file.ts";

describe("apf.json", () => {
  test("keys match in any case, unknown keys and nulls are skipped", () => {
    const text =
      '{"TLS-Server-Cert": "C", "tls-server-key": "K", "tls-client-ca": null, "Pod-Network": {"podip": "10.0.0.2/24"}, "x": 1}';
    const { tls, podNetwork } = parseApfFile(text);
    expect(tls).toMatchObject({ cert: "C", key: "K", ca: undefined });
    expect(podNetwork).toEqual({ podip: "10.0.0.2/24" });
  });

  test("an exact key wins over one in other case", () => {
    expect(parseApfFile('{"TLS-SERVER-CERT": "a", "tls-server-cert": "b", "tls-server-key": "k"}').tls.cert).toBe("b");
  });

  test("what it doesn't have is undefined", () => {
    expect(parseApfFile("{}")).toEqual({ podNetwork: null, tls: { cipherSuites: [] } });
  });

  test.each([
    ["[]", "no JSON object"],
    ["{", "apf.json: JSON line 1, column 2"],
    ['{"tls-server-cert": 1}', "tls-server-cert"],
    ['{"tls-server-cert": "x"}', "tls-server-key"],
    ['{"tls-cipher-suites": [1]}', "tls-cipher-suites"],
    ['{"tls-cipher-suites": "x"}', "tls-cipher-suites"],
  ])("%s names what is wrong", (text, name) => {
    expect(() => parseApfFile(text)).toThrow(name);
  });
});
