import { describe, expect, test } from "vitest";
import { parseAttestationAgentConfig, parseDataHubConfig } from "../../guest/hub/index.ts";
import { createServerIdentity } from "../attest/certificates.ts";

describe("I3: aa.toml", () => {
  test("an empty document is valid and configures nothing", () => {
    expect(parseAttestationAgentConfig("")).toEqual({
      kbs: undefined,
      attestationService: undefined,
      eventLog: { enabled: false, defaultPcr: 17 },
      logLevel: undefined,
      unknownKeys: [],
    });
  });

  test("I4: all keys, with a certificate in it", () => {
    const { certificate } = createServerIdentity();
    const config = parseAttestationAgentConfig(`
[token_configs.kbs]
url = "https://kbs.example:8080/"
cert = """
${certificate}"""
tee_key_algorithm = "ECDH-ES+A256KW-P521"
[token_configs.coco_as]
url = "http://127.0.0.1:8080"
[eventlog_config]
init_pcr = 8
enable_eventlog = true
[log]
level = "debug"
`);
    expect(config).toEqual({
      kbs: {
        endpoint: { url: "https://kbs.example:8080", certificate },
        keyAlgorithm: "ECDH-ES+A256KW-P521",
      },
      attestationService: { url: "http://127.0.0.1:8080", certificate: undefined },
      eventLog: { enabled: true, defaultPcr: 8 },
      logLevel: "debug",
      unknownKeys: [],
    });
  });

  test.each([
    ["[token_configs.kbs]", "aa.toml: token_configs.kbs.url is missing"],
    ["[token_configs.kbs]\nurl = 7", "aa.toml: token_configs.kbs.url must be text"],
    ['[token_configs.kbs]\nurl = "kbs:8080"', "aa.toml: token_configs.kbs.url must be an http or https URL"],
    ['[token_configs.kbs]\nurl = "http://kbs:8080"', "aa.toml: token_configs.kbs.url must be https"],
    [
      '[token_configs.kbs]\nurl = "https://k"\ncert = "/etc/kbs.pem"',
      "aa.toml: token_configs.kbs.cert must be certificates",
    ],
    [
      '[token_configs.kbs]\nurl = "https://k"\ntee_key_algorithm = "RSA1_5"',
      "aa.toml: token_configs.kbs.tee_key_algorithm must be one of",
    ],
    ['[token_configs.coco_as]\nurl = ""', "aa.toml: token_configs.coco_as.url must be"],
    ["token_configs = 1", "aa.toml: token_configs must be a table"],
    ["[eventlog_config]\ninit_pcr = 24", "aa.toml: eventlog_config.init_pcr must be a whole number from 0 to 23"],
    ["[eventlog_config]\ninit_pcr = 1.5", "aa.toml: eventlog_config.init_pcr must be a whole number"],
    ['[eventlog_config]\nenable_eventlog = "yes"', "aa.toml: eventlog_config.enable_eventlog must be true or false"],
    ["[log]\nlevel = []", "aa.toml: log.level must be text"],
    ["x =", "aa.toml: TOML line 1"],
  ])("I7: %j is refused by the name of its key", (text, message) => {
    expect(() => parseAttestationAgentConfig(text)).toThrow(message);
  });

  test("keys without a meaning are told, since a typo may be one", () => {
    const config = parseAttestationAgentConfig('[token_configs.kbs]\nurl = "https://k"\ncrt = "x"\n[other]\na = 1\n');
    expect(config.unknownKeys).toEqual(["other", "token_configs.kbs.crt"]);
  });

  test("threat 94: http to another machine takes a key of its own", () => {
    const text = '[token_configs.kbs]\nurl = "http://10.0.2.2:8080"\nallow_insecure_http = true\n';
    expect(parseAttestationAgentConfig(text).kbs?.endpoint.url).toBe("http://10.0.2.2:8080");
  });

  test("an error never shows a value", () => {
    const secret = "https://user:hunter2@kbs.example";
    expect(() => parseAttestationAgentConfig(`[token_configs.kbs]\nurl = "${secret}"`)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("hunter2") }),
    );
  });
});

describe("I3: cdh.toml", () => {
  test("the reference's example", () => {
    const config = parseDataHubConfig(`
socket = "unix:///run/confidential-containers/cdh.sock"
[kbc]
name = "cc_kbc"
url  = "https://kbs.example.com:8443"
[[credentials]]
path = "/run/confidential-containers/cdh/kbs/kms-credential/aliyun/config.toml"
resource_uri = "kbs:///default/credential/aliyun"
[image]
image_security_policy_uri = "kbs:///default/security-policy/prod"
authenticated_registry_credentials_uri = "kbs:///default/credential/registries"
max_concurrent_layer_downloads_per_image = 5
[image.image_pull_proxy]
https_proxy = "http://proxy:3128"
[image.registry_config]
unqualified-search-registries = ["quay.io"]
[[image.registry_config.registry]]
prefix = "docker.io/library"
location = "mirror.local:5000/lib"
[[image.registry_config.registry.mirror]]
location = "m.local/lib"
insecure = true
`);
    expect(config).toMatchObject({
      socketPath: "/run/confidential-containers/cdh.sock",
      attestationAgentSocketPath: undefined,
      keyBroker: { kind: "cc_kbc", endpoint: { url: "https://kbs.example.com:8443", certificate: undefined } },
      credentials: [{ resource: { plugin: "resource", path: "default/credential/aliyun", query: "" } }],
      skipSealedSecretVerification: false,
      image: {
        securityPolicy: { kind: "uri", uri: "kbs:///default/security-policy/prod" },
        registryCredentials: { kind: "uri", uri: "kbs:///default/credential/registries" },
        maxConcurrentLayerDownloads: 5,
        proxy: { https: "http://proxy:3128", http: undefined, no: undefined },
        registries: {
          unqualifiedSearch: ["quay.io"],
          rules: [
            { prefix: "docker.io/library", blocked: false, mirrors: [{ location: "m.local/lib", insecure: true }] },
          ],
        },
      },
      unknownKeys: [],
    });
  });

  const kbc = '[kbc]\nname = "offline_fs_kbc"\nurl = ""\n';

  test("an inline policy counts only without a URI", () => {
    const inline = parseDataHubConfig(`${kbc}[image]\nimage_security_policy = "{}"\n`);
    expect(inline.image.securityPolicy).toEqual({ kind: "inline", text: "{}" });
    const both = parseDataHubConfig(
      `${kbc}[image]\nimage_security_policy = "{}"\nimage_security_policy_uri = "/etc/p.json"\n`,
    );
    expect(both.image.securityPolicy).toEqual({ kind: "uri", uri: "/etc/p.json" });
  });

  test.each([
    ["", "cdh.toml: kbc is missing"],
    ["[kbc]", "cdh.toml: kbc.name is missing"],
    ['[kbc]\nname = "sample_kbc"', "cdh.toml: kbc.name must be cc_kbc or offline_fs_kbc"],
    ['[kbc]\nname = "cc_kbc"', "cdh.toml: kbc.url is missing"],
    ['[kbc]\nname = "cc_kbc"\nurl = "https://k"\nkbs_cert = ""', "cdh.toml: kbc.kbs_cert must be certificates"],
    [`socket = "/run/cdh.sock"\n${kbc}`, "cdh.toml: socket must be unix://"],
    [`skip_sealed_secret_verification = 1\n${kbc}`, "cdh.toml: skip_sealed_secret_verification must be true or false"],
    [
      `${kbc}[[credentials]]\npath = "/x"\nresource_uri = "kbs:///a/b/c"`,
      "cdh.toml: credentials[0].path must be a plain path",
    ],
    [
      `${kbc}[[credentials]]\nresource_uri = "kbs:///a/b"`,
      "cdh.toml: credentials[0].resource_uri invalid kbs resource uri",
    ],
    [
      `${kbc}[image]\nextra_root_certificates = ["x"]`,
      "cdh.toml: image.extra_root_certificates[0] must be certificates",
    ],
    [`${kbc}[image]\nwork_dir = "x"`, "cdh.toml: image.work_dir must be an absolute path"],
    [`${kbc}[image]\nsigstore_config_uri = "https://x"`, "cdh.toml: image.sigstore_config_uri must be a kbs:// URI"],
    [`${kbc}[image]\nmax_concurrent_layer_downloads_per_image = 0`, "max_concurrent_layer_downloads_per_image must be"],
    [
      `${kbc}[[image.registry_config.registry]]\nblocked = "no"`,
      "image.registry_config.registry[0].blocked must be true or false",
    ],
  ])("I7: %j is refused by the name of its key", (text, message) => {
    expect(() => parseDataHubConfig(text)).toThrow(message);
  });

  test.each([
    "/run/confidential-containers/cdh/kbsX/y",
    "/run/confidential-containers/cdh/kbs",
    "/run/confidential-containers/cdh/kbs/",
    "/run/confidential-containers/cdh/kbs/../../config.toml",
    "/run/confidential-containers/cdh/kbs/a/./b",
    "/run/confidential-containers/cdh/kbs//b",
    "/etc/config.toml",
  ])("a credential can't be written to %s", (path) => {
    const text = `${kbc}[[credentials]]\npath = "${path}"\nresource_uri = "kbs:///a/b/c"`;
    expect(() => parseDataHubConfig(text)).toThrow(/credentials\[0\]\.path must be a plain path below/);
  });
});
