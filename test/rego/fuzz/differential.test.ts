import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CompiledPolicy,
  type CompileOptions,
  compilePolicy,
  type JsonInput,
  RegoEvaluationError,
  RegoLoadError,
  toJsonText,
} from "../../../guest/rego/index.ts";
import { input, moduleText, rule } from "./policy-generator.ts";

const data = { s: "a" };
const plain = { earlyExit: false, folding: false, indexes: false };

function load(text: string, optimizations: CompileOptions["optimizations"] = {}): CompiledPolicy | string {
  try {
    return compilePolicy([{ name: "t", text }], { version: "v1", optimizations });
  } catch (error) {
    if (error instanceof RegoLoadError) {
      // How many variables are reported may depend on the order in which literals were tried.
      return [...new Set(error.diagnostics.map(({ code }) => code))].sort().join(" ");
    }
    throw error;
  }
}

/** The answer as text: a value, "undefined", the code of an error, or those of the load. */
function answer(policy: CompiledPolicy | string, document: JsonInput): string {
  if (typeof policy === "string") {
    return policy;
  }
  try {
    const result = policy.evaluate({ path: "data.t.p", input: document, data });
    return result.kind === "undefined" ? "undefined" : toJsonText(result.value);
  } catch (error) {
    if (error instanceof RegoEvaluationError) {
      return error.code;
    }
    throw error;
  }
}

/** Early exit may leave a conflict behind that lies in what it did not evaluate, as OPA's does; else the answers are equal. */
function expectSame(fast: string, slow: string): void {
  if (slow !== "eval_conflict_error") {
    expect(fast).toBe(slow);
  }
}

const runs = { numRuns: 400 };

describe("results do not depend on", () => {
  test.each([
    ["early exit", { earlyExit: false }],
    ["folding", { folding: false }],
    ["indexes", { indexes: false }],
    ["prints", { prints: true }],
    ["any optimisation", plain],
  ])("%s", (_name, optimizations) => {
    void fc.assert(
      fc.property(rule, fc.array(input, { minLength: 1, maxLength: 3 }), ({ head, bodies }, documents) => {
        const text = moduleText(head, bodies);
        const fast = load(text);
        const slow = load(text, optimizations);
        for (const document of documents) {
          expectSame(answer(fast, document), answer(slow, document));
        }
      }),
      runs,
    );
  });

  test("the order of literals", () => {
    const shuffled = rule.chain(({ head, bodies }) =>
      fc.tuple(
        fc.constant(moduleText(head, bodies)),
        fc
          .tuple(...bodies.map((body) => fc.shuffledSubarray([...body], { minLength: body.length })))
          .map((other) => moduleText(head, other)),
        input,
      ),
    );
    void fc.assert(
      fc.property(shuffled, ([text, other, document]) => {
        const first = load(text, plain);
        const second = load(other, plain);
        expect(typeof first).toBe(typeof second);
        expect(answer(first, document)).toBe(answer(second, document));
      }),
      runs,
    );
  });

  test("the order of rules", () => {
    void fc.assert(
      fc.property(rule, input, ({ head, bodies }, document) => {
        const forwards = load(moduleText(head, bodies));
        const backwards = load(moduleText(head, [...bodies].reverse()));
        expect(answer(backwards, document)).toBe(answer(forwards, document));
      }),
      runs,
    );
  });

  test("whether it is explained: an explanation names no body of a rule that gave a value", () => {
    void fc.assert(
      fc.property(rule, input, ({ head, bodies }, document) => {
        const policy = load(moduleText(head, bodies));
        if (typeof policy !== "string" && answer(policy, document) === "true") {
          const { attempts } = policy.explain({ path: "data.t.p", input: document, data });
          expect(attempts).toEqual([]);
        }
      }),
      runs,
    );
  });
});
