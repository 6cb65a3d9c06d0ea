/** A limit that is none, as the protocol carries it. */
export const unlimited = 0xffff_ffff_ffff_ffffn;

/** The number in a file of one number; undefined for an absent file, {@link unlimited} for `max`. */
export function parseCount(text: string | undefined): bigint | undefined {
  const word = text?.trim();
  if (word === "max") return unlimited;
  return word !== undefined && /^\d+$/u.test(word) ? BigInt(word) : undefined;
}

/** Lines of `key number`. Keys are the kernel's own words. */
export function parseKeyedCounts(text: string): Map<string, bigint> {
  const counts = new Map<string, bigint>();
  for (const line of text.split("\n")) {
    const [, key, value] = /^(\S+) (\d+)$/u.exec(line) ?? [];
    if (key !== undefined && value !== undefined) counts.set(key, BigInt(value));
  }
  return counts;
}

/** A map as the protocol's messages hold one; safe for every key. */
export function toMessageMap<T>(map: ReadonlyMap<string, T>): Readonly<Record<string, T>> {
  return Object.assign(Object.create(null), Object.fromEntries(map));
}
