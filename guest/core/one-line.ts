/**
 * A text on one line, for places that hold no more: runs of white space, line ends, control and format characters become a space
 * each, and what is too long is cut with an ellipsis.
 *
 * @param maxLength in UTF-16 units, the ellipsis among them
 */
export function oneLine(text: string, maxLength: number): string {
  const line = text.replaceAll(/[\p{C}\s]+/gu, " ").trim();
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1).toWellFormed()}…`;
}
