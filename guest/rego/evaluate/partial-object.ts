/** An object that rules with computed keys fill together. */
import { canonicalText, equal, RegoObject, RegoSet, type Value } from "../value.ts";

type Member =
  | { readonly kind: "leaf"; readonly value: Value }
  | { readonly kind: "set"; readonly set: RegoSet }
  | { readonly kind: "object"; readonly object: PartialObject };

/** Nested members by path. */
export class PartialObject {
  readonly #members = new Map<string, { readonly key: Value; readonly member: Member }>();

  /**
   * Adds a leaf under a path of at least one key; `isMember` makes it a member of the set there. False when the path has another
   * value. A default only fills what is empty.
   */
  add(path: readonly Value[], leaf: Value, isMember: boolean, isDefault: boolean): boolean {
    const [key = null, ...rest] = path;
    const text = canonicalText(key);
    const existing = this.#members.get(text)?.member;
    if (existing === undefined) {
      const member = newMember(rest, leaf, isMember);
      this.#members.set(text, { key, member });
      return true;
    }
    if (rest.length > 0 && existing.kind === "object") {
      return existing.object.add(rest, leaf, isMember, isDefault);
    }
    if (isMember && rest.length === 0 && existing.kind === "set") {
      existing.set.add(leaf);
      return true;
    }
    return isDefault || (rest.length === 0 && !isMember && equal(finishMember(existing), leaf));
  }

  /** The object. */
  finish(): RegoObject {
    const object = new RegoObject();
    for (const { key, member } of this.#members.values()) {
      object.set(key, finishMember(member));
    }
    return object;
  }
}

function newMember(rest: readonly Value[], leaf: Value, isMember: boolean): Member {
  if (rest.length > 0) {
    const object = new PartialObject();
    object.add(rest, leaf, isMember, false);
    return { kind: "object", object };
  }
  return isMember ? { kind: "set", set: RegoSet.from([leaf]) } : { kind: "leaf", value: leaf };
}

function finishMember(member: Member): Value {
  switch (member.kind) {
    case "leaf":
      return member.value;
    case "set":
      return member.set;
    case "object":
      return member.object.finish();
  }
}
