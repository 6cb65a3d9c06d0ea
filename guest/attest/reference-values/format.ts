import { GuestError } from "../../core/errors.ts";
import { formatJson, isJsonArray, isJsonObject, type JsonValue, parseJson } from "../../core/json.ts";

/** What a verifier should find under a name; any of the values will do. */
export interface ReferenceValue {
  /** As attestation policies ask for it, such as `snp_pcr11`. */
  readonly name: string;
  /** Hex in lower case. */
  readonly values: readonly string[];
}

/** Version of the format (RVPS, `ReferenceValue`). */
const version = "0.1.0";

const configMapName = "rvps-reference-values";
const configMapKey = "reference-values.json";
const maxReferenceValues = 1_000;

/**
 * Reference values as the Reference Value Provider Service stores them (spec/initdata.md 9).
 *
 * @param expiration after which verifiers take none of them
 */
export function encodeReferenceValues(references: readonly ReferenceValue[], expiration: Date): string {
  const expires = `${expiration.toISOString().slice(0, 19)}Z`;
  return formatJson(
    references.map(({ name, values }) => ({ version, name, expiration: expires, value: values })),
    2,
  );
}

/** The Kubernetes ConfigMap from which the Trustee operator takes reference values. */
export function encodeReferenceConfigMap(
  references: readonly ReferenceValue[],
  expiration: Date,
  namespace: string,
): string {
  const json = encodeReferenceValues(references, expiration).replaceAll("\n", "\n    ");
  return `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${configMapName}
  namespace: ${namespace}
data:
  ${configMapKey}: |
    ${json}
`;
}

/**
 * Reads reference values.
 *
 * @param now those that have expired are left out, as RVPS does
 * @throws GuestError `invalid-argument`
 */
export function parseReferenceValues(text: string | Uint8Array, now: Date): readonly ReferenceValue[] {
  const list = parseJson(text);
  if (!isJsonArray(list) || list.length > maxReferenceValues) throw malformed("are no list");
  return list.map(parseReferenceValue).flatMap(({ expiration, ...reference }) => (expiration > now ? [reference] : []));
}

function parseReferenceValue(entry: JsonValue): ReferenceValue & { readonly expiration: Date } {
  const { name, expiration, value } = isJsonObject(entry) ? entry : {};
  if (typeof name !== "string") throw malformed("have an entry without name");
  const date = new Date(typeof expiration === "string" ? expiration : Number.NaN);
  if (Number.isNaN(date.getTime())) throw malformed(`have no usable expiration for ${name}`);
  const values = typeof value === "string" ? [value] : value;
  const isText = (item: JsonValue): item is string => typeof item === "string";
  if (!isJsonArray(values) || !values.every(isText)) throw malformed(`have no usable value for ${name}`);
  return { name, expiration: date, values: values.map((item) => item.toLowerCase()) };
}

function malformed(reason: string): GuestError {
  return new GuestError("invalid-argument", `reference values ${reason}`);
}
