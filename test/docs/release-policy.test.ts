import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compilePolicy, type JsonInput } from "../../guest/rego/index.ts";

const page = readFileSync(new URL("../../docs/OPERATORS.md", import.meta.url), "utf8");
const text = /```rego\n(package policy\n[\s\S]+?)```/.exec(page)?.[1] ?? "";
const policy = compilePolicy([{ name: "resource_policy", text }]);
const current = /"([0-9a-f]{64})"/.exec(text)?.[1] ?? "";

/** What a broker asks its resource policy, as far as this one looks. */
interface Request {
  readonly initData: string;
  readonly plugin: string;
  readonly status: string;
}

const good: Request = { initData: current, plugin: "resource", status: "affirming" };

function allows({ initData, plugin, status }: Request): boolean {
  const evidence = { init_data: initData, snp: {} };
  const cpu0 = { "ear.status": status, "ear.veraison.annotated-evidence": evidence };
  const input: JsonInput = { submods: { cpu0 } };
  const data = { plugin, "resource-path": ["default", "kbsres1", "key1"] };
  const result = policy.evaluate({ path: "data.policy.allow", input, data });
  return result.kind === "value" && result.value === true;
}

describe("threat 92: the resource policy of docs/OPERATORS.md", () => {
  test("releases to the initdata that is in use", () => {
    expect(current).toHaveLength(64);
    expect(allows(good)).toBe(true);
  });

  test.each([
    ["an older document of the same owner", { initData: "0".repeat(64) }],
    ["no document", { initData: "" }],
    ["a digest that only begins so", { initData: current.slice(0, 40) }],
    ["another plug-in", { plugin: "pkcs11" }],
    ["a platform that isn't up to date", { status: "warning" }],
    ["a platform that is refused", { status: "contraindicated" }],
  ])("refuses %s", (_name, change) => {
    expect(allows({ ...good, ...change })).toBe(false);
  });
});
