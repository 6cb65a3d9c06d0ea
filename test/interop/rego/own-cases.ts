/** Cases of our own: the generated policy of the benchmark, and the language's finer points in one module. */
import type { JsonInput } from "../../../guest/rego/index.ts";
import {
  copyFileRequest,
  createContainerRequest,
  execProcessRequest,
  generatedPolicy,
  stateDocument,
} from "../../bench/rego/generated-policy.ts";

const requests: readonly { readonly name: string; readonly rule: string; readonly input: JsonInput }[] = [
  { name: "create", rule: "CreateContainerRequest", input: createContainerRequest(20) },
  { name: "create denied", rule: "CreateContainerRequest", input: { ...createContainerRequest(0), stderr_port: 1 } },
  { name: "create without state", rule: "CreateContainerRequest", input: {} },
  { name: "copy", rule: "CopyFileRequest", input: copyFileRequest },
  { name: "exec", rule: "ExecProcessRequest", input: execProcessRequest },
  { name: "remove", rule: "RemoveContainerRequest", input: {} },
];

const language = `package t
default f(_) := "other"
f(x) := "one" if x == 1
p contains x if some x in [3, "a", null, {1, 2}]
q[k] := v if some k, v in {"a": 1, "b": [2]}
r := "first" if input.a
else := "second" if input.b
else := "third"
every_ok if every k, v in {"a": 1} { k == "a"; v > 0 }
big := 9007199254740993 + 1
sliced := substring("a😀b", 1, 1)
found := regex.find_all_string_submatch_n(\`(\\pL+)=(\\d*)\`, "a=1 é=", -1)
replaced := replace("a.b.c", ".", "")
undefined_division := 1 / 0
shadowed := x if { x := input.b; not x == 1 }
replaced_input := r with input as {"b": 1}
`;

/** One line of JSON for each case. */
export function ownCases(): string[] {
  const policy = generatedPolicy();
  const generated = requests.map(({ name, rule, input }) => ({
    id: `podkeep/generated/${name}`,
    rego_version: "v1",
    tier: "must",
    modules: [policy],
    query: `data.agent_policy.${rule} = x`,
    input,
    data: stateDocument,
  }));
  const rules = ["p", "q", "r", "every_ok", "big", "sliced", "found", "replaced", "undefined_division", "shadowed"];
  const small = [...rules, "replaced_input", "f(1)", "f(2)"].map((rule) => ({
    id: `podkeep/language/${rule}`,
    rego_version: "v1",
    tier: "must",
    modules: [language],
    query: `data.t.${rule} = x`,
    input: { b: 2 },
  }));
  return [...generated, ...small].map((fields) => JSON.stringify(fields));
}
