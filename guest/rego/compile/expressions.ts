/** Code for expressions. */
import { RegoEvaluationError } from "../errors.ts";
import { documentLookup, documentValue } from "../evaluate/documents.ts";
import type { Get } from "../evaluate/frame.ts";
import { lookup } from "../evaluate/operators.ts";
import { formatValue } from "../format.ts";
import type { ComprehensionExpression, Expression } from "../plan/plan.ts";
import { equal, RegoObject, RegoSet, type Value } from "../value.ts";
import { compileCall } from "./calls.ts";
import { isConstant, keepValue } from "./constants.ts";
import { compileOperands } from "./operands.ts";
import type { Unit } from "./unit.ts";

/** Code that gives the expression's value, or undefined. */
export function compileExpression(expression: Expression, unit: Unit): Get {
  const get = compileAnew(expression, unit);
  const isWorthKeeping = expression.kind === "lookup" || expression.kind === "call" || expression.kind === "array";
  return isWorthKeeping && unit.program.options.folding && isConstant(expression, unit.program) ? keepValue(get) : get;
}

function compileAnew(expression: Expression, unit: Unit): Get {
  switch (expression.kind) {
    case "constant": {
      const { value } = expression;
      return () => value;
    }
    case "slot": {
      const { slot } = expression;
      return (frame) => frame.slots[slot];
    }
    case "input":
      return (frame) => frame.evaluation.world.input;
    case "rule": {
      const { group } = expression;
      const { program } = unit;
      return (frame) => program.ruleValue(frame.evaluation, group);
    }
    case "document": {
      const { path, node } = expression;
      const { program } = unit;
      return (frame) => documentValue(frame.evaluation, path, node, program.ruleValue);
    }
    case "lookup":
      return compileLookup(expression, unit);
    case "array":
      return compileArray(expression.items, unit);
    case "set":
      return compileSet(expression.items, unit);
    case "object":
      return compileObject(expression, unit);
    case "call":
      return compileCall(expression, unit);
    case "comprehension":
      return compileComprehension(expression, unit);
    case "template":
      return compileTemplate(expression, unit);
  }
}

function compileLookup({ base, keys }: Expression & { readonly kind: "lookup" }, unit: Unit): Get {
  if (base.kind === "document") {
    return compileDocumentLookup(base, keys, unit);
  }
  let get = unit.expression(base);
  for (const key of keys) {
    get = key.kind === "constant" ? compileMember(get, key.value) : compileSelect(get, unit.expression(key));
  }
  return get;
}

function compileMember(get: Get, key: Value): Get {
  return (frame) => {
    const value = get(frame);
    return value === undefined ? undefined : value instanceof RegoObject ? value.get(key) : lookup(value, key);
  };
}

function compileSelect(get: Get, getKey: Get): Get {
  return (frame) => {
    const value = get(frame);
    const key = value === undefined ? undefined : getKey(frame);
    return value === undefined || key === undefined ? undefined : lookup(value, key);
  };
}

function compileDocumentLookup(
  { path, node }: Expression & { readonly kind: "document" },
  keys: readonly Expression[],
  unit: Unit,
): Get {
  const { program } = unit;
  const getKeys = compileOperands(keys, unit);
  return (frame) => {
    const values = getKeys(frame);
    return values && documentLookup(frame.evaluation, path, node, values, program.ruleValue);
  };
}

function compileArray(items: readonly Expression[], unit: Unit): Get {
  const getItems = compileOperands(items, unit);
  return (frame) => {
    const values = getItems(frame);
    if (values !== undefined) {
      frame.evaluation.chargeOutput(values.length);
    }
    return values;
  };
}

function compileSet(items: readonly Expression[], unit: Unit): Get {
  const getItems = compileOperands(items, unit);
  return (frame) => {
    const values = getItems(frame);
    if (values === undefined) {
      return undefined;
    }
    frame.evaluation.chargeOutput(values.length);
    return RegoSet.from(values);
  };
}

function compileObject({ members, start }: Expression & { readonly kind: "object" }, unit: Unit): Get {
  const getters = members.map(([key, value]) => [unit.expression(key), unit.expression(value)] as const);
  return (frame) => {
    const object = new RegoObject();
    for (const [getKey, getValue] of getters) {
      const key = getKey(frame);
      const value = key === undefined ? undefined : getValue(frame);
      if (key === undefined || value === undefined) {
        return undefined;
      }
      const before = object.get(key);
      if (before !== undefined && !equal(before, value)) {
        throw keyConflict(unit, start, key);
      }
      object.set(key, value);
    }
    frame.evaluation.chargeOutput(object.size);
    return object;
  };
}

function keyConflict(unit: Unit, start: number, key: Value): RegoEvaluationError {
  const message = `object keys must be unique: ${formatValue(key).slice(0, 100)} has two values`;
  const { source } = unit;
  return new RegoEvaluationError("eval_conflict_error", message, source.name, source.lineAt(start));
}

/** Code for a comprehension: always has a value. Solutions whose head is undefined are left out. */
export function compileComprehension(comprehension: ComprehensionExpression, unit: Unit): Get {
  const { shape, slot, value, body } = comprehension;
  if (shape === "object") {
    return compileObjectComprehension(comprehension, unit);
  }
  const getValue = unit.expression(value);
  const execute = unit.body(body, (frame) => {
    const member = getValue(frame);
    if (member !== undefined) {
      frame.evaluation.chargeOutput(1);
      const collection = frame.slots[slot];
      if (collection instanceof RegoSet) {
        collection.add(member);
      } else {
        // The slot holds the set or the array that was put there when the comprehension began.
        (collection as Value[]).push(member);
      }
    }
    return false;
  });
  return (frame) => {
    const collection = shape === "set" ? new RegoSet() : [];
    frame.slots[slot] = collection;
    execute(frame);
    return collection;
  };
}

function compileObjectComprehension({ slot, key, value, body, start }: ComprehensionExpression, unit: Unit): Get {
  const getKey: Get = key === undefined ? () => undefined : unit.expression(key);
  const getValue = unit.expression(value);
  const execute = unit.body(body, (frame) => {
    const memberKey = getKey(frame);
    const member = memberKey === undefined ? undefined : getValue(frame);
    const object = frame.slots[slot];
    if (memberKey !== undefined && member !== undefined && object instanceof RegoObject) {
      const before = object.get(memberKey);
      if (before !== undefined && !equal(before, member)) {
        throw keyConflict(unit, start, memberKey);
      }
      frame.evaluation.chargeOutput(1);
      object.set(memberKey, member);
    }
    return false;
  });
  return (frame) => {
    const object = new RegoObject();
    frame.slots[slot] = object;
    execute(frame);
    return object;
  };
}

function compileTemplate({ parts, start }: Expression & { readonly kind: "template" }, unit: Unit): Get {
  const getters = parts.map((part) => (typeof part === "string" ? part : compileComprehension(part, unit)));
  return (frame) => {
    let text = "";
    for (const part of getters) {
      text += typeof part === "string" ? part : templateText(part(frame), unit, start);
    }
    frame.evaluation.chargeOutput(text.length >>> 6);
    return text;
  };
}

function templateText(values: Value | undefined, unit: Unit, start: number): string {
  const [first, second] = values instanceof RegoSet ? values.values() : [];
  if (second !== undefined) {
    const message = "an expression in a template string has more than one value";
    throw new RegoEvaluationError("eval_conflict_error", message, unit.source.name, unit.source.lineAt(start));
  }
  return first === undefined ? "<undefined>" : displayValue(first);
}

/** As prints and template strings show a value: strings as they are, other values in Rego notation. */
export function displayValue(value: Value): string {
  return typeof value === "string" ? value : formatValue(value);
}
