import { join } from "node:path";
import { GuestError } from "../core/errors.ts";
import type { LogLevel } from "../core/log.ts";
import { isTomlTable, parseToml, type TomlTable, type TomlValue } from "../core/toml.ts";
import { measuredSettings, requireCertificateWithKey } from "../initdata/measured-settings.ts";

/** Where the agent listens for the host, and how. */
export interface AgentConfiguration {
  /** `host:port` or `unix:///path`. */
  readonly listen: string;
  /** `required`: TLS with client certificates. `off`: plain, for local use; only measured configuration can say so. */
  readonly tls: "required" | "off";
  /** PEM: who may connect, whatever apf.json says; empty: apf.json's word counts. */
  readonly tlsClientCa: string;
  /** DNS name, common name or organisation that a client's certificate must bear, too; empty: any. */
  readonly tlsClientName: string;
  /** kbs:/// URIs of the server's certificate chain and key, PEM each, in place of apf.json's; both or none. */
  readonly tlsServerCertificate: string;
  readonly tlsServerKey: string;
  /** `VersionTLS12` or `VersionTLS13`; empty: apf.json's word counts. */
  readonly tlsMinVersion: string;
  /** JSON with TLS material and the pod's network (spec/forwarder.md 3). */
  readonly apfFile: string;
  /** The pod's network namespace. */
  readonly networkNamespace: string;
  /** The VM's interface for tunnels, where workers use one apart from the primary one (`dedicated`); empty: there is none. */
  readonly hostInterface: string;
  /** `crun` or `runc`, or the absolute path of either. */
  readonly runtime: string;
  /** Bundle of the pause container. */
  readonly pauseBundle: string;
  /** Containers, shared files and volumes live here; the reference's shims name paths below it. */
  readonly stateDirectory: string;
  /** The agent's own records: of the OCI runtime, of the sandbox's namespaces, sockets of terminals. */
  readonly runtimeDirectory: string;
  /** cgroup below which each container gets its own. */
  readonly cgroupParent: string;
  /** What all containers together leave of the VM's memory, in MiB; 0: nothing is kept from them. */
  readonly reservedMemoryMegabytes: number;
  /** The policy that rules when initdata brings none. */
  readonly defaultPolicy: string;
  /** Tells the caller of a denied request what the policy printed. For debug builds: it shows the host the pod's secrets. */
  readonly explainToHost: boolean;
  /** How long port 15150 tells the worker why the start failed, before the process ends; 0: not at all. */
  readonly refusalSeconds: number;
  /** How long the VM may be without a connection before it powers itself off; 0: for ever. */
  readonly idlePowerOffMinutes: number;
}

/** The attestation agent, the data hub and the workload's HTTP API. */
export interface HubConfiguration {
  readonly attestationAgentSocket: string;
  readonly dataHubSocket: string;
  /** `host:port` inside the pod's network namespace. */
  readonly restListen: string;
  readonly restFeatures: "resource" | "attestation" | "all";
  /** Verified image layers. */
  readonly imageStore: string;
  /** What happens where the platform leaves the TEE's field for the initdata's digest empty: nothing starts, or a warning. */
  readonly initdataBinding: "required" | "preferred";
}

/** Where user data and initdata come from and what they must be. */
export interface ProvisionConfiguration {
  /** `auto`: the first that this machine has (docs/CONFIGURATION.md). */
  readonly source: "auto" | "file" | "block-device" | "cidata" | "azure" | "aws" | "gcp" | "alibaba" | "none";
  /** User data on a disk with the label `cidata`; empty: `auto` does not look for it. */
  readonly cidata: string;
  /** How long user data is waited for. */
  readonly timeoutSeconds: number;
  /** TOML file or the annotation form of it, there already; empty: there is none. */
  readonly initdata: string;
  /** Hex digest that the initdata must have; empty: whatever it has. */
  readonly expectedDigest: string;
  /** Whether PCR 8 is extended with the digest: where there is a TPM, always, or never. */
  readonly tpm: "auto" | "required" | "off";
  /** What the root has to be: `verity` starts nothing unless the kernel verifies its blocks and it is read-only. */
  readonly root: "any" | "verity";
  /** What was verified is written here, for the daemons. */
  readonly directory: string;
  /** Share of the memory free at the start that the pod's files may take, such as `50%`; empty: nothing is mounted. */
  readonly storageLimit: string;
}

/** All of podkeep's configuration, defaults filled in. */
export interface Configuration {
  readonly logLevel: LogLevel;
  readonly agent: AgentConfiguration;
  readonly hub: HubConfiguration;
  readonly provision: ProvisionConfiguration;
}

const runtimeDirectory = "/run/confidential-containers";

/** What holds when podkeep.toml says nothing: the reference's paths, TLS with client certificates. */
export const defaultConfiguration: Configuration = {
  logLevel: "info",
  agent: {
    listen: "0.0.0.0:15150",
    tls: "required",
    tlsClientCa: "",
    tlsClientName: "",
    tlsServerCertificate: "",
    tlsServerKey: "",
    tlsMinVersion: "",
    apfFile: "/run/peerpod/apf.json",
    networkNamespace: "/run/netns/podns",
    hostInterface: "",
    runtime: "crun",
    pauseBundle: "/pause_bundle",
    stateDirectory: "/run/kata-containers",
    runtimeDirectory: "/run/podkeep",
    cgroupParent: "/podkeep",
    reservedMemoryMegabytes: 0,
    defaultPolicy: "/etc/kata-opa/default-policy.rego",
    explainToHost: false,
    refusalSeconds: 0,
    idlePowerOffMinutes: 0,
  },
  hub: {
    attestationAgentSocket: `${runtimeDirectory}/attestation-agent/attestation-agent.sock`,
    dataHubSocket: `${runtimeDirectory}/cdh.sock`,
    restListen: "127.0.0.1:8006",
    restFeatures: "resource",
    imageStore: "/run/kata-containers/image",
    initdataBinding: "required",
  },
  provision: {
    source: "auto",
    cidata: "/media/cidata/user-data",
    timeoutSeconds: 180,
    initdata: "/run/peerpod/initdata",
    expectedDigest: "",
    tpm: "auto",
    root: "any",
    directory: "/run/peerpod",
    storageLimit: "",
  },
};

/** A VM that can't start should end before anybody pays for it. */
const maxRefusalSeconds = 3600;

/** Values that a key is limited to; those that initdata may set have their checks there. */
const choices: Readonly<Record<string, readonly string[]>> = {
  log_level: ["error", "warn", "info", "debug"],
  "provision.source": ["auto", "file", "block-device", "cidata", "azure", "aws", "gcp", "alibaba", "none"],
  "provision.tpm": ["auto", "required", "off"],
  "provision.root": ["any", "verity"],
  "hub.initdata_binding": ["required", "preferred"],
};

/**
 * Reads podkeep.toml: keys in snake_case, a table each for `agent`, `hub` and `provision`, all of them optional.
 *
 * @throws GuestError `invalid-argument` that names the key: unknown, of the wrong type, or not one of its values
 */
export function parseConfiguration(text: string): Configuration {
  const table = parseToml(text);
  const configuration = overlayConfiguration(defaultConfiguration, table);
  if (isTomlTable(table["agent"])) requireCertificateWithKey(table["agent"]);
  return configuration;
}

/**
 * A configuration with the keys of a table laid over.
 *
 * @throws GuestError as {@link parseConfiguration}
 */
export function overlayConfiguration(configuration: Configuration, table: TomlTable): Configuration {
  return overlay(configuration, table, "");
}

/** Where both provisioning and the hub keep detached LUKS headers. */
export function luksHeaderDirectory({ runtimeDirectory }: AgentConfiguration): string {
  return join(runtimeDirectory, "luks-headers");
}

/** `defaults` with the values of `given` laid over, table by table. */
function overlay<T extends object>(defaults: T, given: TomlTable, prefix: string): T {
  const names = new Map(Object.keys(defaults).map((name) => [snakeCase(name), name]));
  const result = new Map<string, unknown>(Object.entries(defaults));
  for (const [key, value] of Object.entries(given)) {
    const name = names.get(key);
    if (name === undefined) throw invalid(`${prefix}${key}`, "there is no such key");
    result.set(name, valueFor(result.get(name), value, `${prefix}${key}`));
  }
  // The members are those of `defaults`, each of its own type: valueFor checked them.
  return Object.fromEntries(result) as T;
}

function valueFor(fallback: unknown, given: TomlValue, key: string): unknown {
  if (typeof fallback === "object" && fallback !== null) {
    if (!isTomlTable(given)) throw invalid(key, "it is a table");
    return overlay(fallback, given, `${key}.`);
  }
  if (typeof given !== typeof fallback) throw invalid(key, `it takes a ${typeof fallback}`);
  const allowed = choices[key];
  if (allowed !== undefined && !allowed.includes(String(given))) throw invalid(key, `it takes ${allowed.join(", ")}`);
  if (key === "agent.refusal_seconds" && !isRefusalTime(given))
    throw invalid(key, `it takes 0 to ${maxRefusalSeconds}`);
  const expected = measuredSettings.get(key)?.(given);
  if (expected !== undefined) throw invalid(key, `it takes ${expected}`);
  return given;
}

function isRefusalTime(seconds: unknown): boolean {
  return Number.isInteger(seconds) && Number(seconds) >= 0 && Number(seconds) <= maxRefusalSeconds;
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function invalid(key: string, why: string): GuestError {
  return new GuestError("invalid-argument", `configuration key ${key}: ${why}`);
}
