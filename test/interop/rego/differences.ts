/** Cases to which two engines are known to give different answers, with the reason. What is not here fails the run. */
import { notPassed } from "../../rego/conformance/not-passed.ts";

/** Two of the three ways to an answer. */
export type Pair = "podkeep and opa" | "podkeep and opa-wasm" | "opa and opa-wasm";

/** Between this engine and OPA. */
const fromOpa: Readonly<Record<string, readonly string[]>> = {
  "OPA has a type checker, which refuses terms that can't have a value": [
    "language/negative-index-is-undefined",
    "regorus/builtins/aggregates/max/all",
    "regorus/builtins/aggregates/min/all",
    "regorus/builtins/aggregates/sort/all",
    "regorus/builtins/arrays/reverse/all",
    "regorus/builtins/numbers/abs/abs",
    "regorus/builtins/numbers/add/add",
    "regorus/builtins/numbers/ceil/ceil",
    "regorus/builtins/numbers/floor/floor",
    "regorus/builtins/numbers/range/numbers.range",
    "regorus/builtins/numbers/round/round",
    "regorus/builtins/numbers/sub/sub",
    "regorus/builtins/strings/concat/undefined-collection",
    "regorus/builtins/strings/concat/undefined-delimiter",
    "regorus/builtins/strings/contains/undefined-string",
    "regorus/builtins/strings/contains/undefined-substring",
    "regorus/builtins/strings/endswith/undefined-string",
    "regorus/builtins/strings/indexof/undefined-string",
    "regorus/data/tests/numbers are converted to string as needed when indexing data",
    "regorus-vm/local_chained_access/undefined_field_on_existing_rule",
  ],
  "OPA takes operators for calls of rules that have their built-ins' names": [
    "regorus/arithmetic/tests/numeric-comparisons",
    "regorus/basic_001/arithmetic/basic",
  ],
  "OPA refuses `every` with a key that its body does not use": [
    "regorus-vm/loops_and_quantifiers/every_keyval_over_object_fails",
    "regorus-vm/loops_and_quantifiers/every_keyval_over_object_succeeds",
    "regorus-vm/loops_and_quantifiers/every_over_empty_object_is_vacuously_true",
  ],
  "OPA refuses a constant in the pattern on the left of :=": ["regorus-vm/destructuring/destructuring_with_literals"],
  "OPA wants the import before `if` in a v0 module": ["regorus/refr/keywords_in_refs/keywords_in_refs/package field"],
  "OPA 1 refuses a default function whose arguments are constants; the suite is older": [
    "opa/defaultkeyword/function with ground arg, ref head@v0",
    "opa/defaultkeyword/function with ground arg@v0",
  ],
  "OPA has no limit for the size of a compiled pattern": [
    "regorus-vm/regex_size_limit/blocked-ascending-overlap-46",
    "regorus-vm/regex_size_limit/blocked-ascii-two-way-16",
    "regorus-vm/regex_size_limit/blocked-case-window-16",
    "regorus-vm/regex_size_limit/blocked-digit-letter-overlap-16",
  ],
  "OPA computes beyond 64 bits with a mantissa of 64 bits, this engine exactly": [
    "regorus/arithmetic/tests/big-numbers",
  ],
  "OPA goes on after a first solution, and in strict mode into an error": ["regorus/loop/basic/early return"],
  "OPA lets a backslash at the end of a glob stand for itself": ["rego-cpp/builtins/glob-match-trailing-backslash"],
  "OPA's GraphQL library shows block descriptions otherwise than its older suite": [
    "opa/graphql_parse_schema/success-object-types with block description@v0",
  ],
};

/** Between modules and either of the others. */
const fromWasm: Readonly<Record<string, readonly string[]>> = {
  "prints are gone before the variables in them are checked": ["language/unsafe-variable-in-print"],
  "the library reads results with JSON.parse, whose numbers are doubles": [
    "opa/bitsshiftleft/shift of max int64 doesn't overflow and is not lossy@v0",
    "opa/bitsshiftleft/shift of max int64 doesn't overflow and is not lossy@v1",
  ],
  "modules look a number up in base data as a number, where the key is text": [
    "opa/data/nested integer@v1",
    "opa/data/toplevel integer@v1",
  ],
};

/** Why the two differ on the case; undefined where nothing is known. */
export function knownDifference(pair: Pair, id: string): string | undefined {
  const ofWasm = pair === "podkeep and opa" ? undefined : reasonIn(fromWasm, id);
  return ofWasm ?? (pair === "opa and opa-wasm" ? undefined : (reasonIn(fromOpa, id) ?? notPassed.get(id)));
}

function reasonIn(list: Readonly<Record<string, readonly string[]>>, id: string): string | undefined {
  return Object.entries(list).find(([, ids]) => ids.includes(id))?.[0];
}
