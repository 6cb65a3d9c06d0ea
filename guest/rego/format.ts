/** Values in Rego's own notation, as prints and error texts show them. */
import { numberToText } from "./number.ts";
import { isNumber, RegoObject, RegoSet, type Value } from "./value.ts";

/** Rego notation with `, ` and `: ` between the parts: `{"k": [1, null], "s": {"a"}}`; the empty set is `set()`. */
export function formatValue(value: Value): string {
  if (value === null || typeof value === "boolean") {
    return String(value);
  }
  if (typeof value === "string") {
    return JSON.stringify(value);
  }
  if (isNumber(value)) {
    return numberToText(value);
  }
  if (value instanceof RegoObject) {
    const members = [...value.entries()].map(([key, member]) => `${formatValue(key)}: ${formatValue(member)}`);
    return `{${members.join(", ")}}`;
  }
  if (value instanceof RegoSet) {
    return value.size === 0 ? "set()" : `{${value.values().map(formatValue).join(", ")}}`;
  }
  return `[${value.map(formatValue).join(", ")}]`;
}
