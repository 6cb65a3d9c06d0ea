/** What the runtime data of the protocol consists of. */
export type CanonicalValue = string | { readonly [name: string]: CanonicalValue | undefined };

/**
 * Canonical JSON (RFC 8785) of strings and objects: members sorted by UTF-16 code units, no white space. JavaScript's own
 * escaping is the one that the RFC prescribes. Members that are undefined are left out.
 *
 * @throws TypeError for a string that is no Unicode text (a lone surrogate), as RFC 8785 3.2.2.2 demands
 */
export function canonicalJson(value: CanonicalValue): string {
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new TypeError("text with half a surrogate pair has no canonical form");
    return JSON.stringify(value);
  }
  const members = Object.entries(value)
    .filter((entry): entry is [string, CanonicalValue] => entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}
