import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BuiltinError } from "../../../guest/rego/builtins/types.ts";
import { RegoLimitError } from "../../../guest/rego/errors.ts";
import { isNumber, RegoObject, RegoSet, type Value } from "../../../guest/rego/value.ts";
import { builtins, call, callIn, createContext } from "./call.ts";

test("what depends on more than its operands says so", () => {
  const named = [...builtins.values()].filter((builtin) => builtin.nondeterministic).map((builtin) => builtin.name);
  expect(named.sort()).toEqual([
    "http.send",
    "net.lookup_ip_addr",
    "opa.runtime",
    "rand.intn",
    "time.now_ns",
    "uuid.rfc4122",
  ]);
});

test("every built-in stands under its own name", () => {
  for (const [name, builtin] of builtins) expect(builtin.name).toBe(name);
});

test("an operand of the wrong type is told in OPA's words", () => {
  const error = () => call("startswith", "a", 1);
  expect(error).toThrow("startswith: operand 2 must be string but got number");
  expect(error).toThrow(expect.objectContaining({ code: "eval_type_error" }));
  expect(() => call("bits.and", 1, 1.5)).toThrow("operand 2 must be integer but got floating-point number");
});

const { anyValue } = fc.letrec<{ anyValue: Value }>((tie) => ({
  anyValue: fc.oneof(
    { depthSize: "small", maxDepth: 2 },
    fc.constantFrom<Value>(
      null,
      true,
      false,
      0,
      1,
      -1,
      1.5,
      10n ** 20n,
      "",
      "a",
      "1",
      "__proto__",
      "constructor",
      "😀",
      "[(*",
      "2021-01-01T00:00:00Z",
    ),
    fc.string({ maxLength: 6, unit: "binary" }),
    fc.integer(),
    fc.array(tie("anyValue"), { maxLength: 3 }),
    fc.array(tie("anyValue"), { maxLength: 3 }).map((members) => RegoSet.from(members)),
    fc.array(fc.tuple(tie("anyValue"), tie("anyValue")), { maxLength: 3 }).map((members) => RegoObject.from(members)),
  ),
}));

describe("threat 14: whatever the operands, a built-in answers, has no result, or throws what the evaluator knows", () => {
  test.each([...builtins.keys()])("%s", (name) => {
    const arity = builtins.get(name)?.arity ?? 0;
    fc.assert(
      fc.property(fc.array(anyValue, { minLength: arity, maxLength: arity }), (operands) => {
        try {
          const result = callIn(createContext(100_000), name, ...operands);
          const isValue =
            result === undefined || result === null || typeof result !== "object" || Array.isArray(result);
          expect(isValue || result instanceof RegoObject || result instanceof RegoSet || isNumber(result)).toBe(true);
        } catch (error) {
          if (!(error instanceof BuiltinError || error instanceof RegoLimitError)) throw error;
        }
      }),
      { numRuns: 30 },
    );
  });
});
