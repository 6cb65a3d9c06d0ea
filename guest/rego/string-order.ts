/** Order of code points, which is the order of the UTF-8 bytes and not JavaScript's own. */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const x = a.charCodeAt(index);
    const y = b.charCodeAt(index);
    if (x !== y) {
      // Surrogates stand for code points above U+FFFF, so they come after U+E000..U+FFFF.
      return x >= 0xd800 && y >= 0xd800 ? ((x + 0x2000) & 0xffff) - ((y + 0x2000) & 0xffff) : x - y;
    }
  }
  return a.length - b.length;
}
