import { GuestError } from "../../core/errors.ts";
import type { ReferenceValue } from "./format.ts";

/** What was verified of a VM, as far as reference values speak of it; hex. */
export interface ComparedClaims {
  readonly tee: "snp" | "tdx" | "az-snp-vtpm" | "az-tdx-vtpm";
  readonly measurement: string;
  readonly initData: string;
  /** RTMRs or PCRs. */
  readonly registers: readonly string[];
}

/**
 * Holds claims against reference values, as the reference's attestation policies do: every name that speaks of this TEE must have the
 * value found.
 *
 * @returns the names that were compared
 * @throws GuestError `permission-denied` that names what differs; also when no name speaks of this TEE, since that would vouch for
 *   nothing
 */
export function compareWithReferences(
  claims: ComparedClaims,
  references: readonly ReferenceValue[],
): readonly string[] {
  const found = namedClaims(claims);
  const compared = references.filter(({ name }) => found.has(name));
  for (const { name, values } of compared) {
    if (values.includes(found.get(name) ?? "")) continue;
    throw new GuestError("permission-denied", `${name} is not among the reference values`, {
      fields: { found: found.get(name) },
    });
  }
  if (compared.length > 0) return compared.map(({ name }) => name);
  throw new GuestError("permission-denied", `no reference value is for ${claims.tee}`);
}

/** The claims under the names of the reference's policies (spec/kbs-server.md 5). */
function namedClaims({ tee, measurement, initData, registers }: ComparedClaims): ReadonlyMap<string, string> {
  const names = new Map([["init_data", initData]]);
  if (tee === "snp") names.set("snp_launch_measurement", measurement);
  if (tee === "tdx" || tee === "az-tdx-vtpm") names.set("mr_td", measurement);
  const register = { snp: undefined, tdx: "rtmr_", "az-snp-vtpm": "snp_pcr", "az-tdx-vtpm": "tdx_pcr" }[tee];
  registers.forEach((value, index) => {
    if (register !== undefined) names.set(register + (tee === "tdx" ? index : String(index).padStart(2, "0")), value);
  });
  return names;
}
