import {
  type KbsEndpoint,
  parseBrokerUrl,
  parseCertificates,
  type TeeKeyAlgorithm,
  teeKeyAlgorithms,
} from "../../kbs/index.ts";
import { TableReader } from "./table-reader.ts";

/** aa.toml, checked and with its defaults (spec/attestation-agent.md 3.2). */
export interface AttestationAgentConfig {
  /** Where tokens of type `kbs` come from; undefined: there are none. */
  readonly kbs: { readonly endpoint: KbsEndpoint; readonly keyAlgorithm: TeeKeyAlgorithm } | undefined;
  /** Where tokens of type `coco_as` come from; undefined: there are none. */
  readonly attestationService: KbsEndpoint | undefined;
  readonly eventLog: {
    readonly enabled: boolean;
    /** The PCR that events go to when the caller names none. */
    readonly defaultPcr: number;
  };
  /** The reference's filter syntax; undefined when not set. */
  readonly logLevel: string | undefined;
  /** Keys without a meaning here, for a warning. The reference ignores them silently. */
  readonly unknownKeys: readonly string[];
}

/** What holds without aa.toml: no tokens, no event log. */
export const defaultAttestationAgentConfig: AttestationAgentConfig = parseAttestationAgentConfig("");

/**
 * Parses aa.toml. An empty document is valid.
 *
 * @throws GuestError `invalid-argument` that names the key
 */
export function parseAttestationAgentConfig(text: string): AttestationAgentConfig {
  const root = TableReader.parse("aa.toml", text);
  const tokens = root.table("token_configs");
  const kbs = tokens?.table("kbs");
  const attestationService = tokens?.table("coco_as");
  const eventLog = root.table("eventlog_config");
  return {
    kbs: kbs && {
      endpoint: readEndpoint(kbs, "cert"),
      keyAlgorithm: kbs.choice("tee_key_algorithm", teeKeyAlgorithms, "ECDH-ES+A256KW-P256"),
    },
    attestationService: attestationService && readEndpoint(attestationService, "cert"),
    eventLog: {
      enabled: eventLog?.boolean("enable_eventlog", false) ?? false,
      defaultPcr: eventLog?.integer("init_pcr", 17, { min: 0, max: 23 }) ?? 17,
    },
    logLevel: root.table("log")?.optionalString("level"),
    unknownKeys: root.unknownKeys,
  };
}

/**
 * Reads `url`, a certificate and `allow_insecure_http`, the one key that the reference doesn't have: without it, `http://` is
 * taken for a broker inside this VM only (threat model row 94).
 */
export function readEndpoint(table: TableReader, certificateKey: string): KbsEndpoint {
  const insecure = table.boolean("allow_insecure_http", false);
  return {
    url: table.requiredParsed("url", (url) => parseBrokerUrl(url, insecure)),
    certificate: table.parsed(certificateKey, parseCertificates),
  };
}
