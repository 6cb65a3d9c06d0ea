/** json.marshal and json.marshal_with_options: JSON text as Go's encoder writes it. */
import { toJsonText } from "../json.ts";
import { isArray, RegoObject, RegoSet, type Value } from "../value.ts";
import { any, builtin, chargeText, object, operandError } from "./operands.ts";
import { type Builtin, BuiltinError } from "./types.ts";

/** Go's encoder escapes what could end a script element or a line of JavaScript. */
function escapeHtml(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

interface Layout {
  readonly prefix: string;
  readonly indent: string;
}

/** Options that are read at all turn indentation on, unless `pretty` says otherwise. */
function readLayout(options: RegoObject): Layout | undefined {
  const layout = { prefix: "", indent: "\t", pretty: options.size > 0 };
  for (const [key, value] of options) {
    if (key === "pretty" && typeof value === "boolean") layout.pretty = value;
    else if ((key === "prefix" || key === "indent") && typeof value === "string") layout[key] = value;
    else if (key === "pretty" || key === "prefix" || key === "indent") {
      throw operandError("json.marshal_with_options", 2, `object with a valid "${key}"`, value);
    } else {
      const reason = `object contained unknown key ${toJsonText(key)}`;
      throw new BuiltinError("eval_type_error", `json.marshal_with_options: ${reason}`);
    }
  }
  return layout.pretty ? layout : undefined;
}

function indented(value: Value, layout: Layout, lineStart: string): string {
  const inner = lineStart + layout.indent;
  if (value instanceof RegoObject) {
    const lines = [...value].map(([key, member]) => {
      const name = escapeHtml(JSON.stringify(typeof key === "string" ? key : toJsonText(key)));
      return `${inner}${name}: ${indented(member, layout, inner)}`;
    });
    return lines.length === 0 ? "{}" : `{\n${lines.join(",\n")}\n${lineStart}}`;
  }
  if (isArray(value) || value instanceof RegoSet) {
    const lines = Array.from(value, (item) => inner + indented(item, layout, inner));
    return lines.length === 0 ? "[]" : `[\n${lines.join(",\n")}\n${lineStart}]`;
  }
  return escapeHtml(toJsonText(value));
}

export const jsonMarshalBuiltins: readonly Builtin[] = [
  builtin("json.marshal", [any], (context, value) => {
    const text = escapeHtml(toJsonText(value));
    chargeText(context, text.length);
    return text;
  }),
  builtin("json.marshal_with_options", [any, object], (context, value, options) => {
    const layout = readLayout(options);
    const compact = toJsonText(value);
    // Every element may be on a line of its own, indented by its depth.
    const lineLength = layout === undefined ? 0 : layout.prefix.length + 8 * layout.indent.length;
    chargeText(context, compact.length * (1 + lineLength));
    return layout === undefined ? escapeHtml(compact) : layout.prefix + indented(value, layout, layout.prefix);
  }),
];
