/** Code for the steps of a body: each step goes on to the next one for each solution that it has. */
import type { Callee } from "../analysis/resolved.ts";
import { documentNames, replaceAt } from "../evaluate/documents.ts";
import type { Mock, World } from "../evaluate/evaluation.ts";
import type { Execute, Frame, Get } from "../evaluate/frame.ts";
import type { PlannedReplacement, Step } from "../plan/plan.ts";
import { equal, isArray, RegoObject, RegoSet, type Value } from "../value.ts";
import { compileComprehension, displayValue } from "./expressions.ts";
import { type Discriminator, findDiscriminator, MemberIndex } from "./member-index.ts";
import { compileOperands } from "./operands.ts";
import { compilePattern } from "./patterns.ts";
import type { Unit } from "./unit.ts";

/** Code for steps that end in `next`. */
export function compileSteps(steps: readonly Step[], unit: Unit, next: Execute): Execute {
  const { prints } = unit.program.options;
  const executed = steps.filter((step) => step.kind !== "print" || prints);
  return executed.reduceRight(
    (after, step, index) =>
      step.kind === "iterate"
        ? compileIteration(step, executed[index + 1], unit, after)
        : compileStep(step, unit, after),
    next,
  );
}

function compileStep(step: Exclude<Step, { readonly kind: "iterate" }>, unit: Unit, next: Execute): Execute {
  switch (step.kind) {
    case "test": {
      const get = unit.expression(step.expression);
      return (frame) => {
        const value = get(frame);
        return value !== undefined && value !== false && next(frame);
      };
    }
    case "match":
      return compileMatch(step, unit, next);
    case "names":
      return compileNames(step, unit, next);
    case "enumerate":
      return compileEnumeration(step, unit, next);
    case "not": {
      const holds = unit.body(step.body, () => true);
      return (frame) => !holds(frame) && next(frame);
    }
    case "every":
      return compileEvery(step, unit, next);
    case "with":
      return compileWith(step, unit, next);
    case "print":
      return compilePrint(step, unit, next);
  }
}

function compileMatch({ expression, pattern }: Step & { readonly kind: "match" }, unit: Unit, next: Execute): Execute {
  const get = unit.expression(expression);
  if (pattern.kind === "bind") {
    const { slot } = pattern;
    return (frame) => {
      const value = get(frame);
      if (value === undefined) {
        return false;
      }
      frame.slots[slot] = value;
      return next(frame);
    };
  }
  if (pattern.kind === "equal") {
    const getOther = unit.expression(pattern.expression);
    return (frame) => {
      const value = get(frame);
      const other = value === undefined ? undefined : getOther(frame);
      return value !== undefined && other !== undefined && equal(value, other, frame.evaluation) && next(frame);
    };
  }
  const match = compilePattern(pattern, unit);
  return (frame) => {
    const value = get(frame);
    return value !== undefined && match(frame, value) && next(frame);
  };
}

function compileIteration(
  step: Step & { readonly kind: "iterate" },
  following: Step | undefined,
  unit: Unit,
  next: Execute,
): Execute {
  const get = unit.expression(step.base);
  const matchKey = step.key.kind === "any" ? undefined : compilePattern(step.key, unit);
  const matchValue = compilePattern(step.value, unit);
  const visit: Visit = (frame, key, value) =>
    (matchKey === undefined || matchKey(frame, key)) && matchValue(frame, value) && next(frame);
  const discriminator = unit.program.options.indexes ? findDiscriminator(step, following, unit) : undefined;
  if (discriminator !== undefined) {
    return compileIndexedIteration(get, discriminator, visit);
  }
  return (frame) => {
    const domain = get(frame);
    return domain !== undefined && visitMembers(frame, domain, visit);
  };
}

/** Visits only the members that can pass the comparison that comes next; the comparison is made all the same. */
function compileIndexedIteration(get: Get, { path, getExpected }: Discriminator, visit: Visit): Execute {
  const index = new MemberIndex(path);
  return (frame) => {
    const domain = get(frame);
    if (domain === undefined) {
      return false;
    }
    const isIndexed = isArray(domain) && domain.length >= MemberIndex.minLength;
    const expected = isIndexed ? getExpected(frame) : undefined;
    const positions = isIndexed && expected !== undefined ? index.positions(domain, expected) : undefined;
    if (!isIndexed || positions === undefined) {
      return visitMembers(frame, domain, visit);
    }
    for (const position of positions) {
      const member = domain[position];
      frame.evaluation.charge(1);
      if (member !== undefined && visit(frame, position, member)) {
        return true;
      }
    }
    return false;
  };
}

/** Called for each member; true stops. */
type Visit = (frame: Frame, key: Value, value: Value) => boolean;

/** Visits the members in Rego order. Nothing but collections has members. */
function visitMembers(frame: Frame, domain: Value, visit: Visit): boolean {
  const { evaluation } = frame;
  if (isArray(domain)) {
    for (let index = 0; index < domain.length; index += 1) {
      const value = domain[index];
      evaluation.charge(1);
      if (value !== undefined && visit(frame, index, value)) {
        return true;
      }
    }
    return false;
  }
  if (domain instanceof RegoObject) {
    for (const key of domain.keys()) {
      const value = domain.get(key);
      evaluation.charge(1);
      if (value !== undefined && visit(frame, key, value)) {
        return true;
      }
    }
    return false;
  }
  if (domain instanceof RegoSet) {
    for (const member of domain.values()) {
      evaluation.charge(1);
      if (visit(frame, member, member)) {
        return true;
      }
    }
  }
  return false;
}

function compileNames(step: Step & { readonly kind: "names" }, unit: Unit, next: Execute): Execute {
  const { slot } = step;
  const { path, node } = step.document;
  const keys = compileOperands(step.keys, unit);
  return (frame) => {
    const values = keys(frame);
    const { evaluation } = frame;
    const names = values === undefined ? [] : documentNames(evaluation, path, node, values, unit.program.ruleValue);
    for (const name of names) {
      evaluation.charge(1);
      frame.slots[slot] = name;
      if (next(frame)) {
        return true;
      }
    }
    return false;
  };
}

function compileEnumeration(step: Step & { readonly kind: "enumerate" }, unit: Unit, next: Execute): Execute {
  const operands = compileOperands(step.operands, unit);
  const { slot, start } = step;
  const { enumerate } = step.builtin;
  return (frame) => {
    const values = operands(frame);
    if (values === undefined) {
      return false;
    }
    const { evaluation } = frame;
    try {
      for (const result of enumerate?.(evaluation, ...values) ?? []) {
        evaluation.charge(1);
        frame.slots[slot] = result;
        if (next(frame)) {
          return true;
        }
      }
    } catch (cause) {
      evaluation.builtinFailed(cause, unit.source, start);
    }
    return false;
  };
}

function compileEvery(step: Step & { readonly kind: "every" }, unit: Unit, next: Execute): Execute {
  const get = unit.expression(step.domain);
  const matchKey = compilePattern(step.key, unit);
  const matchValue = compilePattern(step.value, unit);
  const holds = unit.body(step.body, () => true);
  // Stops at the first member for which the body does not hold.
  const fails: Visit = (frame, key, value) => !(matchKey(frame, key) && matchValue(frame, value) && holds(frame));
  return (frame) => {
    const domain = get(frame);
    const isCollection = isArray(domain ?? null) || domain instanceof RegoObject || domain instanceof RegoSet;
    return domain !== undefined && isCollection && !visitMembers(frame, domain, fails) && next(frame);
  };
}

/** Replaced documents count for the steps inside, and no longer for what comes after them. */
function compileWith(step: Step & { readonly kind: "with" }, unit: Unit, next: Execute): Execute {
  const replacements = step.replacements.map((replacement) => compileReplacement(replacement, unit));
  const inner = compileSteps(step.steps, unit, (frame) => {
    const { evaluation } = frame;
    const replaced = evaluation.world;
    const outer = frame.outerWorlds?.pop() ?? replaced;
    evaluation.world = outer;
    const stops = next(frame);
    frame.outerWorlds?.push(outer);
    evaluation.world = replaced;
    return stops;
  });
  return (frame) => {
    const { evaluation } = frame;
    const outer = evaluation.world;
    let world: World | undefined = outer;
    for (const replace of replacements) {
      world = world && replace(frame, world);
    }
    if (world === undefined) {
      return false;
    }
    frame.outerWorlds ??= [];
    frame.outerWorlds.push(outer);
    evaluation.world = { ...world, memo: [] };
    const stops = inner(frame);
    evaluation.world = outer;
    frame.outerWorlds.pop();
    return stops;
  };
}

/** Makes the world with one more replacement; undefined when the value to put there has none. */
type Replace = (frame: Frame, world: World) => World | undefined;

function compileReplacement(replacement: PlannedReplacement, unit: Unit): Replace {
  if (replacement.kind === "function") {
    const target = replacement.replaced.kind === "builtin" ? replacement.replaced.builtin : replacement.replaced.group;
    const getMock = compileMock(replacement.value, unit);
    return (frame, world) => {
      const mock = getMock(frame);
      return mock && { ...world, mocks: new Map([...(world.mocks ?? []), [target, mock]]) };
    };
  }
  const { kind, path } = replacement;
  const get = unit.expression(replacement.value);
  return (frame, world) => {
    const value = get(frame);
    if (value === undefined) {
      return undefined;
    }
    if (kind === "input") {
      return { ...world, input: replaceAt(world.input, path, value) };
    }
    return { ...world, data: replaceAt(world.data, path, value), replacedPaths: [...world.replacedPaths, path] };
  };
}

function compileMock(value: PlannedReplacement["value"] | Callee, unit: Unit): (frame: Frame) => Mock | undefined {
  if (value.kind === "builtin" || value.kind === "function") {
    return () => ({ kind: "callee", callee: value });
  }
  const get = unit.expression(value);
  return (frame) => {
    const result = get(frame);
    return result === undefined ? undefined : { kind: "value", value: result };
  };
}

/** A print has no effect on the result. With several values of an operand it prints a line for each combination. */
function compilePrint({ operands, start }: Step & { readonly kind: "print" }, unit: Unit, next: Execute): Execute {
  const getters = operands.map((operand) => compileComprehension(operand, unit));
  const place = `${unit.source.name}:${unit.source.lineAt(start)}:`;
  return (frame) => {
    // The host chooses how much there is to print, and how often.
    if (!frame.evaluation.hasRoomForPrints) {
      return next(frame);
    }
    let lines = [place];
    for (const get of getters) {
      const values = get(frame);
      const texts = values instanceof RegoSet && values.size > 0 ? values.values().map(displayValue) : ["<undefined>"];
      frame.evaluation.charge(lines.length * texts.length);
      lines = lines.flatMap((line) => texts.map((text) => `${line} ${text}`));
    }
    for (const line of lines) {
      frame.evaluation.print(line);
    }
    return next(frame);
  };
}
