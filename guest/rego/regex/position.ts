import type { Alphabet } from "./alphabet.ts";
import { Assertion } from "./syntax-tree.ts";

/** What the code point before a position says about it; the bits of `Assertion` where they apply. */
export const Context = {
  beginText: Assertion.beginText,
  beginLine: Assertion.beginLine,
  afterWord: 64,
} as const;

/** The context of the first position of a text. */
export const textStart = Context.beginText | Context.beginLine;

/** The context of a position that comes after a letter. */
export function contextAfter(alphabet: Alphabet, letter: number): number {
  return (
    (alphabet.newlineLetter[letter] === 1 ? Context.beginLine : 0) |
    (alphabet.wordLetter[letter] === 1 ? Context.afterWord : 0)
  );
}

/** The context of any position in a subject. */
export function contextAt(alphabet: Alphabet, subject: string, position: number): number {
  return position === 0 ? textStart : contextAfter(alphabet, alphabet.letterOf(codePointBefore(subject, position)));
}

/**
 * The assertions that hold at a position, from its context and the letter that comes next.
 * `letter` is the alphabet's size at the end of the text.
 */
export function assertionsAt(alphabet: Alphabet, context: number, letter: number): number {
  let holds = context & textStart;
  if (letter === alphabet.size) holds |= Assertion.endText | Assertion.endLine;
  else if (alphabet.newlineLetter[letter] === 1) holds |= Assertion.endLine;
  const afterWord = (context & Context.afterWord) !== 0;
  const beforeWord = alphabet.wordLetter[letter] === 1;
  return holds | (afterWord === beforeWord ? Assertion.noWordBoundary : Assertion.wordBoundary);
}

/** UTF-16 units of the code point at a position of the subject. */
export function widthAt(subject: string, position: number): number {
  return (subject.codePointAt(position) ?? 0) > 0xffff ? 2 : 1;
}

function codePointBefore(subject: string, position: number): number {
  const unit = subject.charCodeAt(position - 1);
  const isLowSurrogate = unit >= 0xdc00 && unit <= 0xdfff;
  const codePoint = isLowSurrogate && position > 1 ? (subject.codePointAt(position - 2) ?? unit) : unit;
  return codePoint > 0xffff ? codePoint : unit;
}
