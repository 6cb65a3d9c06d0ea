import { describe, expect, test } from "vitest";
import { computeInitDataValues } from "../../../guest/attest/measure/initdata-values.ts";
import { nameReferenceValues } from "../../../guest/attest/measure/reference-values.ts";
import { type ComparedClaims, compareWithReferences } from "../../../guest/attest/reference-values/compare.ts";
import {
  encodeReferenceConfigMap,
  encodeReferenceValues,
  parseReferenceValues,
} from "../../../guest/attest/reference-values/format.ts";

const expiration = new Date("2031-02-03T04:05:06.789Z");
const now = new Date("2030-01-01T00:00:00Z");

test("I5: RVPS gets version, name, expiration without fraction, and the values", () => {
  const text = encodeReferenceValues([{ name: "snp_pcr08", values: ["00ff"] }], expiration);
  expect(JSON.parse(text)).toEqual([
    { version: "0.1.0", name: "snp_pcr08", expiration: "2031-02-03T04:05:06Z", value: ["00ff"] },
  ]);
  expect(parseReferenceValues(text, now)).toEqual([{ name: "snp_pcr08", values: ["00ff"] }]);
});

test("I5: an initdata digest is named for each platform that binds it", () => {
  const initData = computeInitDataValues(Buffer.alloc(32, 7));
  const names = new Map(nameReferenceValues({ initData }).map(({ name, values }) => [name, values]));
  expect(names.get("init_data")).toEqual([initData.pcr8, "07".repeat(32), "07".repeat(32) + "00".repeat(16)]);
  expect(names.get("snp_pcr08")).toEqual([initData.pcr8]);
  expect(names.get("tdx_pcr08")).toEqual([initData.pcr8]);
  const longer = nameReferenceValues({ initData: computeInitDataValues(Buffer.alloc(48, 7)) });
  expect(longer.map(({ name }) => name)).toEqual(["init_data"]);
  expect(nameReferenceValues({})).toEqual([]);
});

test("the config map carries the JSON as it is", () => {
  const references = [{ name: "mr_td", values: ["aa", "bb"] }];
  const lines = encodeReferenceConfigMap(references, expiration, "trustee").split("\n");
  expect(lines.slice(0, 7)).toEqual([
    "apiVersion: v1",
    "kind: ConfigMap",
    "metadata:",
    "  name: rvps-reference-values",
    "  namespace: trustee",
    "data:",
    "  reference-values.json: |",
  ]);
  const block = lines.slice(7, -1).map((line) => line.replace(/^ {4}/, ""));
  expect(block.join("\n")).toBe(encodeReferenceValues(references, expiration));
});

test.each([
  ["no list", "{}", "no list"],
  ["an entry without name", '[{"expiration":"2031-01-01T00:00:00Z","value":[]}]', "without name"],
  ["no expiration", '[{"name":"a","value":[]}]', "no usable expiration for a"],
  ["a value that is none", '[{"name":"a","expiration":"2031-01-01T00:00:00Z","value":[1]}]', "no usable value for a"],
])("reference values with %s are refused", (_name, text, reason) => {
  expect(() => parseReferenceValues(text, now)).toThrow(reason);
});

describe("comparing", () => {
  const claims: ComparedClaims = {
    tee: "az-snp-vtpm",
    measurement: "aa",
    initData: "08",
    registers: Array.from({ length: 24 }, (_, pcr) => String(pcr).padStart(2, "0")),
  };

  test("every value for this TEE must fit; those for others are not looked at", () => {
    const fitting = [
      { name: "snp_pcr11", values: ["ff", "11"] },
      { name: "init_data", values: ["08"] },
      { name: "tdx_pcr11", values: ["ff"] },
      { name: "svn", values: ["1"] },
    ];
    expect(compareWithReferences(claims, fitting)).toEqual(["snp_pcr11", "init_data"]);
    expect(() => compareWithReferences(claims, [...fitting, { name: "snp_pcr04", values: ["05"] }])).toThrow(
      "snp_pcr04",
    );
  });

  test("A5: an expired value, an empty list and values for other TEEs only vouch for nothing", () => {
    const expired = encodeReferenceValues([{ name: "snp_pcr11", values: ["11"] }], expiration);
    const later = parseReferenceValues(expired, new Date("2032-01-01T00:00:00Z"));
    expect(() => compareWithReferences(claims, later)).toThrow("no reference value is for az-snp-vtpm");
    expect(() => compareWithReferences(claims, [{ name: "snp_pcr11", values: [] }])).toThrow("snp_pcr11");
    expect(() => compareWithReferences(claims, [{ name: "mr_td", values: ["aa"] }])).toThrow("no reference value");
  });

  test.each([
    ["snp", "snp_launch_measurement", "aa"],
    ["tdx", "mr_td", "aa"],
    ["tdx", "rtmr_2", "02"],
    ["az-tdx-vtpm", "tdx_pcr09", "09"],
    ["az-tdx-vtpm", "mr_td", "aa"],
  ] as const)("%s has the claim %s", (tee, name, value) => {
    expect(compareWithReferences({ ...claims, tee }, [{ name, values: [value] }])).toEqual([name]);
    expect(() => compareWithReferences({ ...claims, tee }, [{ name, values: ["00ff"] }])).toThrow(name);
  });
});
