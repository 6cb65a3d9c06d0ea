import { formatTomlString } from "../core/toml.ts";
import type { DigestAlgorithm } from "./digest.ts";
import { initdataVersion } from "./initdata.ts";

/**
 * Writes a document of these entries, readable and the same for the same entries.
 *
 * @param entries file name to text, in the order they shall have
 */
export function composeInitdata(algorithm: DigestAlgorithm, entries: ReadonlyMap<string, string>): string {
  const lines = [...entries].map(([name, text]) => `${JSON.stringify(name)} = ${formatTomlString(text)}\n`);
  return [`algorithm = "${algorithm}"\nversion = "${initdataVersion}"\n\n[data]\n`, ...lines].join("");
}

/**
 * The document that stands for "no initdata was delivered": the reference makes the same one, so the digest that is measured
 * tells a verifier (spec/initdata.md 10.3, threat model row 83).
 */
export const absentInitdata: Uint8Array = new TextEncoder().encode(
  `algorithm = "sha256"\nversion = "0.1.0"\n\n[data]\n"aa.toml" = '''\n'''`,
);
