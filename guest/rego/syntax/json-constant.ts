/**
 * JSON in policy text. Generators write what a policy knows of its pod as one large JSON object: read as such, by the
 * runtime's own parser, it costs a hundredth of what tokens and terms would.
 */
import type { JsonInput } from "../json-input.ts";
import { fromJson, type Value } from "../value.ts";

/** Shorter texts are not worth the attempt. */
const minLength = 256;

/** Deeper ones are left to the parser, which knows how deep a policy may nest. */
const maxDepth = 16;

/**
 * Numbers that a double may not hold exactly, characters that JSON takes in strings and Rego does not, and escapes of
 * surrogates, which JSON takes one by one.
 */
const notTheSame = /[:,[\s]-?(?:[0-9]{16}|[0-9]{1,15}[.eE])|[:,[\s]-0|\u007f|\\u[dD][89a-fA-F]/;

/**
 * The JSON object or array whose opening bracket is at `start`, and where it ends. Undefined if the text there is none, or
 * if it could mean something else as Rego than as JSON, or is small: then it has to be read term by term.
 */
export function readJsonConstant(text: string, start: number): { value: Value; end: number } | undefined {
  const end = likelyEnd(text, start);
  if (end - start < minLength) {
    return undefined;
  }
  const json = text.slice(start, end);
  if (notTheSame.test(json)) {
    return undefined;
  }
  const parsed = parse(json);
  return parsed === undefined || isDeeper(parsed, maxDepth) ? undefined : { value: fromJson(parsed), end };
}

/** Where JSON ends as it is usually printed: at the end of its line, or with a bracket at the start of one. */
function likelyEnd(text: string, start: number): number {
  const closing = text[start] === "{" ? "}" : "]";
  const lineEnd = text.indexOf("\n", start);
  const line = text.slice(start, lineEnd < 0 ? text.length : lineEnd).trimEnd();
  return line.length > 1 && line.endsWith(closing) ? start + line.length : text.indexOf(`\n${closing}`, start) + 2;
}

function parse(json: string): JsonInput | undefined {
  try {
    // What JSON.parse gives is JSON.
    return JSON.parse(json) as JsonInput;
  } catch {
    // It is not JSON; the parser of terms says what it is.
    return undefined;
  }
}

function isDeeper(value: JsonInput, levels: number): boolean {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  return levels === 0 || Object.values(value).some((member: JsonInput) => isDeeper(member, levels - 1));
}
