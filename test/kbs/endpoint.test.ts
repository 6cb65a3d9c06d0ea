import { describe, expect, onTestFinished, test, vi } from "vitest";
import { attest, createTransport, parseBrokerUrl, parseCertificates } from "../../guest/kbs/index.ts";
import { createServerIdentity } from "../attest/certificates.ts";
import { createWorld, forever } from "./world.ts";

describe("address of the broker", () => {
  test.each([
    ["https://kbs.example:8080///", "https://kbs.example:8080"],
    ["https://kbs.example/tenant/a/", "https://kbs.example/tenant/a"],
    ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
    ["http://[::1]:8080/", "http://[::1]:8080"],
  ])("%s is taken", (url, normalised) => {
    expect(parseBrokerUrl(url)).toBe(normalised);
  });

  test.each([
    "ftp://kbs.example",
    "kbs.example:8080",
    "",
    "https://user:pw@kbs.example",
    "https://kbs.example/?a=b",
    "https://kbs.example/#a",
  ])("%j is refused", (url) => {
    expect(() => parseBrokerUrl(url)).toThrow(/must/);
  });

  test("threat 94: http to another machine is refused unless the configuration permits it", () => {
    for (const url of [
      "http://kbs.example:8080",
      "http://127.0.0.1.evil.example",
      "http://localhost:8080",
      "http://10.0.2.2",
    ]) {
      expect(() => parseBrokerUrl(url)).toThrow(/must be https/);
      expect(parseBrokerUrl(url, true)).toBe(url);
    }
  });

  test.each(["", "/etc/kbs.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])(
    "I4: a certificate that is %j is refused at once",
    (certificate) => {
      expect(() => parseCertificates(certificate)).toThrow(/certificate/);
    },
  );
});

describe("TLS", () => {
  test("I4: a broker with the configured certificate is trusted", async () => {
    const { client } = await createWorld({ tls: createServerIdentity(), resources: { "a/b/c": "secret" } });
    const resource = await client.getResource({ plugin: "resource", path: "a/b/c", query: "" }, forever);
    expect(Buffer.from(resource).toString()).toBe("secret");
  });

  test("threat 94: a broker with another certificate gets nothing", async () => {
    const { kbs, handshake, timing } = await createWorld({ tls: createServerIdentity() });
    const other = createServerIdentity().certificate;
    const transport = createTransport({ url: kbs.url, certificate: other });
    await expect(attest({ ...handshake, transport, timing }, forever)).rejects.toMatchObject({
      failure: "unreachable",
    });
    const noCertificate = createTransport({ url: kbs.url, certificate: undefined });
    await expect(attest({ ...handshake, transport: noCertificate }, forever)).rejects.toThrow(/no answer/);
    expect(kbs.requests).toHaveLength(0);
    transport.close();
    noCertificate.close();
  });

  test("threat 94: a certificate for another name is refused", async () => {
    const { kbs, handshake } = await createWorld({ tls: createServerIdentity("kbs.example", ["kbs.example"]) });
    await expect(attest(handshake, forever)).rejects.toMatchObject({ failure: "unreachable" });
    expect(kbs.requests).toHaveLength(0);
  });
});

test("threat 135: proxies of the environment are ignored", async () => {
  const names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"];
  for (const name of names) vi.stubEnv(name, "http://127.0.0.1:1");
  onTestFinished(() => void vi.unstubAllEnvs());
  for (const tls of [undefined, createServerIdentity()]) {
    const { handshake } = await createWorld(tls === undefined ? {} : { tls });
    await attest(handshake, forever);
  }
});
