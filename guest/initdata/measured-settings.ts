import { GuestError, messageOf } from "../core/errors.ts";
import { oneLine } from "../core/one-line.ts";
import { isTomlTable, type TomlTable, type TomlValue } from "../core/toml.ts";
import { parseAuthorities } from "../rpc/tls.ts";

/** Says what a key takes when the value is not of that kind; undefined when it is. */
type Check = (value: TomlValue) => string | undefined;

/**
 * The keys of the image's configuration that initdata may set with its entry `podkeep.toml`. It is an allow-list: paths,
 * programs and the policy of the image stay as they were measured with the image.
 */
export const measuredSettings: ReadonlyMap<string, Check> = new Map<string, Check>([
  ["agent.tls", oneOf("required", "off")],
  ["agent.tls_client_ca", authorities],
  ["agent.tls_client_name", clientName],
  ["agent.tls_server_certificate", resourceUri],
  ["agent.tls_server_key", resourceUri],
  ["agent.tls_min_version", oneOf("VersionTLS12", "VersionTLS13")],
  ["agent.idle_power_off_minutes", wholeNumber(0, 525_600)],
  ["hub.rest_features", oneOf("resource", "attestation", "all")],
]);

const sections: ReadonlySet<string> = new Set([...measuredSettings.keys()].map((key) => key.replace(/\..*/, "")));

/**
 * Checks the entry `podkeep.toml`: the document is measured and can't be corrected in place, so a typo must not pass for a
 * setting that was never made.
 *
 * @throws GuestError `invalid-argument` that names the key: not to be set here, or of a value that it doesn't take
 */
export function checkMeasuredSettings(table: TomlTable): void {
  for (const [section, values] of Object.entries(table)) {
    if (!isTomlTable(values)) throw refusal(section, "initdata can't set this key");
    for (const [name, value] of Object.entries(values)) checkSetting(`${section}.${name}`, value);
    if (!sections.has(section)) throw refusal(section, "initdata can't set this key");
  }
  const agent = table["agent"];
  if (!isTomlTable(agent)) return;
  requireCertificateWithKey(agent);
  if (agent["tls"] === "off") refuseTlsMaterial(agent);
}

/**
 * A certificate is of no use without its key.
 *
 * @param agent the table `agent` of the initdata's or the image's podkeep.toml
 * @throws GuestError `invalid-argument` when one of the two is missing
 */
export function requireCertificateWithKey(agent: TomlTable): void {
  if ("tls_server_certificate" in agent === "tls_server_key" in agent) return;
  throw refusal("agent.tls_server_certificate", "it goes together with agent.tls_server_key");
}

/**
 * For a port without TLS: who names TLS material believes otherwise.
 *
 * @param agent the table `agent` of the initdata's podkeep.toml
 * @throws GuestError `invalid-argument` when there is some
 */
export function refuseTlsMaterial(agent: TomlTable): void {
  const key = Object.keys(agent).find((name) => name.startsWith("tls_"));
  if (key === undefined) return;
  throw refusal(
    `agent.${key}`,
    'it means nothing while agent.tls is off; podkeep.toml of the initdata can set agent.tls = "required"',
  );
}

function checkSetting(key: string, value: TomlValue): void {
  const check = measuredSettings.get(key);
  if (check === undefined) throw refusal(key, "initdata can't set this key");
  const expected = check(value);
  if (expected !== undefined) throw refusal(key, `it takes ${expected}`);
}

function oneOf(...values: readonly string[]): Check {
  return (value) => (values.some((known) => known === value) ? undefined : values.join(", "));
}

function wholeNumber(min: number, max: number): Check {
  return (value) =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max
      ? undefined
      : `a whole number from ${min} to ${max}`;
}

function authorities(value: TomlValue): string | undefined {
  if (typeof value !== "string") return "certificates in PEM";
  try {
    parseAuthorities(value);
    return undefined;
  } catch (error) {
    return `certificates in PEM: ${messageOf(error)}`;
  }
}

/** A DNS name, or the common name or organisation of a subject. No dot first: to certificate checks that means every subdomain. */
function clientName(value: TomlValue): string | undefined {
  const isName = typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,252}$/.test(value);
  return isName ? undefined : "a name of letters, digits, spaces, dots, _ and -";
}

/** As the key broker's client reads it (spec/cdh.md 5), without plug-in, host and query. */
function resourceUri(value: TomlValue): string | undefined {
  const isUri = typeof value === "string" && /^kbs:\/\/(\/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}){3}$/.test(value);
  return isUri ? undefined : "kbs:///REPOSITORY/TYPE/TAG";
}

function refusal(key: string, why: string): GuestError {
  return new GuestError("invalid-argument", `${oneLine(key, 100)}: ${why}`);
}
