/** A part of a replacement template: text to copy, or the group whose text is inserted. */
type ReplacementPart = { readonly text: string } | { readonly group: number | undefined };

/** A template such as `$1-${name}`, as Go's Expand reads it. */
export type Replacement = readonly ReplacementPart[];

/**
 * Parses a template: `$1`, `$name` (the longest run of word characters), `${name}`, `$$`. A group that does not exist
 * inserts nothing; a dollar sign that starts none of these is text.
 */
export function parseReplacement(template: string, groupNames: readonly (string | undefined)[]): Replacement {
  const parts: ReplacementPart[] = [];
  let position = 0;
  for (const match of template.matchAll(/\$(?:(\$)|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu)) {
    parts.push({ text: template.slice(position, match.index) });
    position = match.index + match[0].length;
    if (match[1] !== undefined) parts.push({ text: "$" });
    else parts.push({ group: groupIndex(match[2] ?? match[3] ?? "", groupNames) });
  }
  parts.push({ text: template.slice(position) });
  return parts;
}

function groupIndex(name: string, groupNames: readonly (string | undefined)[]): number | undefined {
  const index = /^(?:0|[1-9][0-9]{0,8})$/.test(name) ? Number(name) : groupNames.indexOf(name);
  return index >= 0 && index < groupNames.length ? index : undefined;
}

/** The replacement for one match; `slots` are its offsets in the subject. */
export function expandReplacement(replacement: Replacement, subject: string, slots: Int32Array): string {
  let result = "";
  for (const part of replacement) {
    if ("text" in part) {
      result += part.text;
      continue;
    }
    const start = part.group === undefined ? -1 : (slots[2 * part.group] ?? -1);
    if (part.group !== undefined && start >= 0) result += subject.slice(start, slots[2 * part.group + 1]);
  }
  return result;
}
