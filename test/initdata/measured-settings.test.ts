import { describe, expect, test } from "vitest";
import { parseInitdata } from "../../guest/initdata/initdata.ts";
import { createServerIdentity } from "../attest/certificates.ts";
import { bytesOf } from "./documents.ts";

const authority = createServerIdentity("workers").certificate;

/** A document whose podkeep.toml is this text. */
function documentWith(settings: string): Uint8Array {
  return bytesOf(`algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n"podkeep.toml" = '''\n${settings}'''\n`);
}

describe("podkeep.toml of initdata", () => {
  test("sets what is on the list, and only that", () => {
    const settings = `
[agent]
tls = "required"
tls_client_ca = """
${authority}"""
tls_client_name = "cloud-api-adaptor"
tls_server_certificate = "kbs:///default/podvm/certificate"
tls_server_key = "kbs:///default/podvm/key"
tls_min_version = "VersionTLS13"
idle_power_off_minutes = 30

[hub]
rest_features = "all"
`;
    const { settings: entry, sizes, skipped } = parseInitdata(documentWith(settings));
    expect(entry?.table["agent"]).toMatchObject({ tls_client_name: "cloud-api-adaptor", idle_power_off_minutes: 30 });
    expect([...sizes.keys()]).toEqual(["podkeep.toml"]);
    expect(skipped).toEqual([]);
  });

  test("may be empty or missing", () => {
    expect(parseInitdata(documentWith("")).settings?.table).toEqual({});
    expect(parseInitdata(bytesOf('algorithm = "sha256"\nversion = "0.1.0"\n[data]\n')).settings).toBeUndefined();
  });

  test.each([
    ["a typo", '[agent]\ntls_client_c = "x"', "agent.tls_client_c: initdata can't set this key"],
    ["a path of the image", '[agent]\nruntime = "/tmp/evil"', "agent.runtime: initdata can't set this key"],
    ["the image's policy", '[agent]\ndefault_policy = "/x"', "agent.default_policy: initdata can't set this key"],
    ["its own binding", '[hub]\ninitdata_binding = "preferred"', "hub.initdata_binding: initdata can't set this key"],
    ["provisioning", "[provision]\ntpm = 'off'", "provision.tpm: initdata can't set this key"],
    ["the log", 'log_level = "debug"', "log_level: initdata can't set this key"],
    ["a table of the image's", "[provision]", "provision: initdata can't set this key"],
    ["a table that isn't there", "[agents]", "agents: initdata can't set this key"],
    ["a key that would redraw the screen", '[agent]\n"\\u001b[2J" = 1', "agent. [2J: initdata can't set this key"],
    [
      "TLS material for a port without TLS",
      '[agent]\ntls = "off"\ntls_client_name = "x"',
      "agent.tls_client_name: it means nothing while agent.tls is off",
    ],
    ["a table within", "[agent.tls_client_ca]\nx = 1", "agent.tls_client_ca: it takes certificates in PEM"],
    ["neither of two", '[agent]\ntls = "maybe"', "agent.tls: it takes required, off"],
    ["no certificate", '[agent]\ntls_client_ca = ""', "agent.tls_client_ca: it takes certificates in PEM"],
    ["a name with a dot first", '[agent]\ntls_client_name = ".example"', "agent.tls_client_name: it takes a name"],
    [
      "a certificate without key",
      '[agent]\ntls_server_certificate = "kbs:///a/b/c"',
      "goes together with agent.tls_server_key",
    ],
    [
      "a key without certificate",
      '[agent]\ntls_server_key = "kbs:///a/b/c"',
      "goes together with agent.tls_server_key",
    ],
    ["another scheme", '[agent]\ntls_server_key = "file:///etc/shadow"', "agent.tls_server_key: it takes kbs:///"],
    ["a broker of its own", '[agent]\ntls_server_key = "kbs://evil/a/b/c"', "agent.tls_server_key: it takes kbs:///"],
    ["dot segments", '[agent]\ntls_server_key = "kbs:///a/../c"', "agent.tls_server_key: it takes kbs:///"],
    [
      "an old TLS",
      '[agent]\ntls_min_version = "VersionTLS11"',
      "agent.tls_min_version: it takes VersionTLS12, VersionTLS13",
    ],
    [
      "a negative time",
      "[agent]\nidle_power_off_minutes = -1",
      "agent.idle_power_off_minutes: it takes a whole number",
    ],
    ["a fraction", "[agent]\nidle_power_off_minutes = 0.5", "agent.idle_power_off_minutes: it takes a whole number"],
    ["other features", '[hub]\nrest_features = "none"', "hub.rest_features: it takes resource, attestation, all"],
  ])("%s stops the start, by the name of the key", (_what, settings, problem) => {
    expect(() => parseInitdata(documentWith(settings))).toThrow(`initdata: data."podkeep.toml": `);
    expect(() => parseInitdata(documentWith(settings))).toThrow(problem);
  });

  test("threat 91: a private key in it is warned of", () => {
    const key = createServerIdentity("x").privateKey;
    const { warnings } = parseInitdata(documentWith(`[agent]\ntls_client_ca = """\n${authority}${key}"""\n`));
    expect(warnings).toEqual([expect.stringContaining('data."podkeep.toml" holds a private key')]);
  });
});
