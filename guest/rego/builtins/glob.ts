/** glob.match and glob.quote_meta: patterns with `*`, `**`, `?`, `[a-z]`, `[!a]`, `{a,b}` and backslash escapes. */
import { isArray, type Value } from "../value.ts";
import { any, builtin, chargeText, operandError, string, valueError } from "./operands.ts";
import { counted } from "./regex.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

/** Translates a glob to a pattern of the regex engine, so that it matches in linear time. */
function globToPattern(glob: string, delimiters: readonly string[]): string {
  const single = delimiters.length === 0 ? "(?s:.)" : `[^${delimiters.map(classMember).join("")}]`;
  let pattern = "";
  let depth = 0;
  if (endsInEscape(glob)) throw valueError("glob.match", "pattern ends with a backslash");
  for (const [token] of glob.matchAll(/\\.?|\*+|\[!?(?:.-.?\]?|(?:\\.|[^\]\\])*\]?)|./gsu)) {
    if (token.startsWith("*")) pattern += token === "*" ? `${single}*` : "(?s:.*)";
    else if (token === "?") pattern += single;
    else if (token === "{") {
      depth++;
      pattern += "(?:";
    } else if (token === "}" && depth > 0) {
      depth--;
      pattern += ")";
    } else if (token === "," && depth > 0) pattern += "|";
    else if (token.startsWith("[")) pattern += classToPattern(token);
    else pattern += literal(token.startsWith("\\") ? token.slice(1) : token);
  }
  // Alternatives that are still open end with the pattern.
  return `\\A(?:${pattern}${")".repeat(depth)})\\z`;
}

function endsInEscape(glob: string): boolean {
  let backslashes = 0;
  while (glob.charAt(glob.length - 1 - backslashes) === "\\") backslashes++;
  return backslashes % 2 === 1;
}

/** A class is one range (`[a-z]`), or a list of characters that does not begin like one (`[abc]`, `[-a]`). */
function classToPattern(token: string): string {
  const match = /^\[(!|(?!!))(?:(.)-(.)|((?!.-)(?:\\.|[^\]\\])+))\]$/su.exec(token);
  if (match === null) throw valueError("glob.match", "malformed character class");
  const [, negation = "", low, high = "", members = ""] = match;
  const sign = negation === "" ? "" : "^";
  if (low === undefined) return `[${sign}${[...members.replace(/\\(.)/gsu, "$1")].map(classMember).join("")}]`;
  if (high < low) throw valueError("glob.match", "bad character range");
  return `[${sign}${classMember(low)}-${classMember(high)}]`;
}

function classMember(character: string): string {
  return `\\x{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

function literal(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");
}

/** null: nothing delimits; an empty array: the default, a full stop. */
function readDelimiters(value: Value): readonly string[] {
  if (value === null) return [];
  if (!isArray(value)) throw operandError("glob.match", 2, "one of {null, array}", value);
  if (value.length === 0) return ["."];
  return value.map((item) => {
    if (typeof item !== "string" || [...item].length !== 1) {
      throw operandError("glob.match", 2, "array of single characters", item);
    }
    return item;
  });
}

function match(context: BuiltinContext, glob: string, delimiters: Value, subject: string): boolean {
  chargeText(context, glob.length);
  const regex = context.regex(globToPattern(glob, readDelimiters(delimiters)));
  return counted(context, (steps) => regex.test(subject, steps));
}

export const globBuiltins: readonly Builtin[] = [
  builtin("glob.match", [string, any, string], match),
  builtin("glob.quote_meta", [string], (context, text) => {
    chargeText(context, 2 * text.length);
    return text.replace(/[*?\\[\]{}]/g, "\\$&");
  }),
];
