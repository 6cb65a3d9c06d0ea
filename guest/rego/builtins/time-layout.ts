/** Go's time layouts: a format written as the moment Mon Jan 2 15:04:05 MST 2006 would look in it. */
const namedLayouts: ReadonlyMap<string, string> = new Map([
  ["ANSIC", "Mon Jan _2 15:04:05 2006"],
  ["UnixDate", "Mon Jan _2 15:04:05 MST 2006"],
  ["RubyDate", "Mon Jan 02 15:04:05 -0700 2006"],
  ["RFC822", "02 Jan 06 15:04 MST"],
  ["RFC822Z", "02 Jan 06 15:04 -0700"],
  ["RFC850", "Monday, 02-Jan-06 15:04:05 MST"],
  ["RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"],
  ["RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"],
  ["RFC3339", "2006-01-02T15:04:05Z07:00"],
  ["RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"],
]);

/** The layout that a name such as "RFC3339" stands for, or the text itself. */
export function resolveLayout(layout: string): string {
  return namedLayouts.get(layout) ?? layout;
}

const element =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|__2|002|_2(?!006)|0[1-6]|15|PM|pm|[-Z]07(?::00:00|:00|0000|00)?|[.,](?:0+|9+)(?!\d)|[1-5]/g;

/** A piece of a layout: text to copy, or an element such as "2006" that stands for a part of a time. */
export type LayoutPart = { readonly text: string } | { readonly element: string };

/** Divides a layout into its pieces. */
export function partsOf(layout: string): readonly LayoutPart[] {
  const parts: LayoutPart[] = [];
  let position = 0;
  for (const match of layout.matchAll(element)) {
    if (match.index > position) parts.push({ text: layout.slice(position, match.index) });
    parts.push({ element: match[0] });
    position = match.index + match[0].length;
  }
  if (position < layout.length) parts.push({ text: layout.slice(position) });
  return parts;
}
