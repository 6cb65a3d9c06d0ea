/** Strings as sequences of code points. JavaScript counts UTF-16 units: a code point above U+FFFF is two of them. */

/** Whether there are code points of two UTF-16 units. If not, both ways to count agree. */
export function hasSurrogates(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0xd800 && unit <= 0xdfff) return true;
  }
  return false;
}

/** Number of code points. */
export function codePointLength(text: string): number {
  let length = text.length;
  for (let index = 0; index + 1 < text.length; index++) {
    const isPair = (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
    if (isPair) {
      length--;
      index++;
    }
  }
  return length;
}

/** The UTF-16 offset at which a code point begins, counted from 0; the text's length if there are fewer. */
export function unitOffset(text: string, codePointIndex: number): number {
  let offset = 0;
  for (let index = 0; index < codePointIndex && offset < text.length; index++) {
    offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1;
  }
  return offset;
}
