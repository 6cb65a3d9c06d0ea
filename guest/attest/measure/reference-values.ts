import type { ReferenceValue } from "../reference-values/format.ts";
import type { InitDataValues } from "./initdata-values.ts";
import type { UkiRegisters } from "./uki.ts";

/** What was measured; members that are undefined were not asked for. */
export interface Measured {
  readonly initData?: InitDataValues;
  readonly uki?: UkiRegisters;
  /** SNP launch digest, hex. */
  readonly launchDigest?: string;
  /** MRTD in each order in which a VMM may build the TD, hex. */
  readonly mrtd?: readonly string[];
}

/** Prefixes of PCRs in the policies for Azure's two kinds of VM. */
const pcrPrefixes = ["snp", "tdx"];

/** What was measured, under the names that the reference's attestation policies ask for (spec/initdata.md 9, spec/kbs-server.md 5). */
export function nameReferenceValues({ initData, uki, launchDigest, mrtd }: Measured): readonly ReferenceValue[] {
  const pcrs: readonly (readonly [number, string | undefined])[] = [
    [3, uki?.pcr3],
    [4, uki?.pcr4],
    [8, initData?.pcr8],
    [9, uki?.pcr9],
    [11, uki?.pcr11],
    [12, uki?.pcr12],
  ];
  return [
    ...reference("init_data", initData && [initData.pcr8, initData.hostData, initData.mrConfigId]),
    ...pcrPrefixes.flatMap((prefix) =>
      pcrs.flatMap(([pcr, value]) => reference(`${prefix}_pcr${String(pcr).padStart(2, "0")}`, [value])),
    ),
    ...reference("snp_launch_measurement", [launchDigest]),
    ...reference("mr_td", mrtd),
    ...reference("rtmr_2", [uki?.rtmr2]),
  ];
}

/** One reference value, or none when nothing is known. */
function reference(name: string, values: readonly (string | undefined)[] | undefined): readonly ReferenceValue[] {
  const known = (values ?? []).filter((value) => value !== undefined);
  return known.length === 0 ? [] : [{ name, values: known }];
}
