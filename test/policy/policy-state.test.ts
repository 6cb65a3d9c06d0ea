import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatJson, type JsonObject, type JsonValue } from "../../guest/core/json.ts";
import { PolicyState, type StateTransaction } from "../../guest/policy/policy-state.ts";

/** A policy of one rule: every request claims its key if nobody has it, and counts itself in. */
function operationsOf(request: Request, document: JsonObject): readonly JsonValue[] {
  const state = document["pstate"] as Readonly<Record<string, JsonValue>>;
  const ops: JsonValue[] = [{ op: "add", path: `/pstate/id${request.id}`, value: request.id }];
  if (state["owner"] === undefined) ops.push({ op: "add", path: "/pstate/owner", value: request.id });
  return ops;
}

interface Request {
  readonly id: number;
}

function begin(state: PolicyState, request: Request): StateTransaction {
  return state.begin(operationsOf(request, state.document), (document) => operationsOf(request, document));
}

describe("PolicyState", () => {
  test("in whatever order requests end, the document is as if the failed ones had never been", () => {
    // Each step either begins a request or ends one of those under way, by success or failure.
    const step = fc.record({ end: fc.nat(5), success: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const state = new PolicyState();
        const alive: Request[] = [];
        const open: { readonly request: Request; readonly transaction: StateTransaction }[] = [];
        for (const [index, { end, success }] of steps.entries()) {
          const chosen = open[end];
          if (chosen === undefined) {
            const request = { id: index };
            open.push({ request, transaction: begin(state, request) });
            alive.push(request);
          } else {
            open.splice(end, 1);
            if (success) chosen.transaction.commit();
            else {
              chosen.transaction.rollback();
              alive.splice(alive.indexOf(chosen.request), 1);
            }
          }
          const model = new PolicyState();
          for (const request of alive) begin(model, request).commit();
          expect(sortedText(state.document)).toBe(sortedText(model.document));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("a request that would now be denied keeps what it changed", () => {
    const state = new PolicyState();
    const first = begin(state, { id: 1 });
    const later = state.begin([{ op: "add", path: "/pstate/later", value: true }], () => undefined);
    first.rollback();
    expect(formatJson(state.document)).toBe('{"pstate":{"later":true}}');
    later.commit();
    expect(formatJson(state.document)).toBe('{"pstate":{"later":true}}');
  });

  test("a change of what is gone leaves no trace", () => {
    const state = new PolicyState();
    const create = begin(state, { id: 1 });
    const remove = state.begin([{ op: "remove", path: "/pstate/id1" }], () => [{ op: "remove", path: "/pstate/id1" }]);
    create.rollback();
    expect(formatJson(state.document)).toBe('{"pstate":{}}');
    remove.commit();
    expect(formatJson(state.document)).toBe('{"pstate":{}}');
  });

  test("what is certain has the changes of requests that have succeeded, and no others", () => {
    const state = new PolicyState();
    const first = begin(state, { id: 1 });
    const second = begin(state, { id: 2 });
    expect(formatJson(state.certain)).toBe('{"pstate":{}}');
    second.commit();
    expect(sortedText(state.certain)).toBe("id2=2,owner=2");
    expect(sortedText(state.document)).toBe("id1=1,id2=2,owner=1");
    first.commit();
    expect(state.certain).toBe(state.document);
    begin(state, { id: 3 }).rollback();
    expect(state.certain).toBe(state.document);
    expect(sortedText(state.document)).toBe("id1=1,id2=2,owner=1");
  });

  test("a failing patch leaves the document, whole patch or nothing", () => {
    const state = new PolicyState();
    const patch = [
      { op: "add", path: "/pstate/a", value: 1 },
      { op: "remove", path: "/pstate/missing" },
    ];
    expect(() => state.begin(patch, () => undefined)).toThrow("doesn't exist");
    expect(formatJson(state.document)).toBe('{"pstate":{}}');
  });

  test("refuses what would grow it without end", () => {
    const state = new PolicyState();
    const add = (value: JsonValue) => state.begin([{ op: "add", path: "/pstate/x", value }], () => undefined);
    expect(() => add(new Array<JsonValue>(100_001).fill(0))).toThrow("too large");
    let nested: JsonValue = [];
    for (let depth = 0; depth < 70; depth += 1) nested = [nested];
    expect(() => add(nested)).toThrow("too deep");
    for (let open = 0; open < 512; open += 1) add(open);
    expect(() => add(0)).toThrow(expect.objectContaining({ code: "resource-exhausted" }));
  });
});

function sortedText(document: JsonObject): string {
  const { pstate } = document as unknown as { readonly pstate: JsonObject };
  return Object.entries(pstate)
    .map(([key, value]) => `${key}=${String(value)}`)
    .sort()
    .join();
}
