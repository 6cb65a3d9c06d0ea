/**
 * Search for a text in another one, in linear time. The runtime's own search compares a long part that repeats itself again at
 * every place: on a megabyte of one letter that takes minutes, and the host chooses such texts.
 */

/** Up to this length the runtime's search is used, which then compares so many characters at a place at most. */
const maxComparedLength = 64;

/** Offset of the first place at `from` or later where the part is, in UTF-16 units; -1 if there is none. */
export function indexOfText(text: string, part: string, from = 0): number {
  if (part.length <= maxComparedLength) {
    return text.indexOf(part, from);
  }
  for (const offset of occurrences(text, part, from)) {
    return offset;
  }
  return -1;
}

/** The pieces of the text between the places, which don't overlap, where the part is. The part is not empty. */
export function splitText(text: string, part: string): string[] {
  if (part.length <= maxComparedLength) {
    return text.split(part);
  }
  const pieces: string[] = [];
  let end = 0;
  for (const offset of occurrences(text, part)) {
    if (offset >= end) {
      pieces.push(text.slice(end, offset));
      end = offset + part.length;
    }
  }
  pieces.push(text.slice(end));
  return pieces;
}

/** Offsets of all places at `from` or later where the part is, also those that overlap. The part is not empty. */
export function* occurrences(text: string, part: string, from = 0): Iterable<number> {
  if (part.length > text.length - from) {
    return;
  }
  const borders = borderLengths(part);
  let matched = 0;
  for (let position = from; position < text.length; position += 1) {
    matched = extended(part, borders, matched, text.charCodeAt(position));
    if (matched === part.length) {
      yield position - part.length + 1;
      matched = borders[matched - 1] ?? 0;
    }
  }
}

/** For each prefix, by its last offset: the length of the longest shorter text that it both begins and ends with. */
function borderLengths(part: string): Uint32Array {
  const borders = new Uint32Array(part.length);
  let matched = 0;
  for (let position = 1; position < part.length; position += 1) {
    matched = extended(part, borders, matched, part.charCodeAt(position));
    borders[position] = matched;
  }
  return borders;
}

/** How much of the part's start has been read after one more character, if it was `matched` before (Knuth, Morris, Pratt). */
function extended(part: string, borders: Uint32Array, matched: number, unit: number): number {
  let length = matched;
  while (length > 0 && part.charCodeAt(length) !== unit) {
    length = borders[length - 1] ?? 0;
  }
  return part.charCodeAt(length) === unit ? length + 1 : length;
}
