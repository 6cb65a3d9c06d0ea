/** A part of a replacement template: text to copy, or the groups of which the first that took part is inserted. */
type ReplacementPart = { readonly text: string } | { readonly groups: readonly number[] };

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
    else parts.push({ groups: groupIndexes(match[2] ?? match[3] ?? "", groupNames) });
  }
  parts.push({ text: template.slice(position) });
  return parts;
}

/** The group of a number, or all those of a name. */
function groupIndexes(name: string, groupNames: readonly (string | undefined)[]): readonly number[] {
  if (/^(?:0|[1-9][0-9]{0,8})$/.test(name)) return [Number(name)];
  return groupNames.flatMap((other, index) => (other === name ? [index] : []));
}

/** The replacement for one match; `slots` are its offsets in the subject. */
export function expandReplacement(replacement: Replacement, subject: string, slots: Int32Array): string {
  let result = "";
  for (const part of replacement) {
    if ("text" in part) {
      result += part.text;
      continue;
    }
    const group = part.groups.find((index) => (slots[2 * index] ?? -1) >= 0);
    if (group !== undefined) result += subject.slice(slots[2 * group], slots[2 * group + 1]);
  }
  return result;
}
