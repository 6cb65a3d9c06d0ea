const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\0": "\\0",
};

/**
 * A text as the reference puts it into a status: in double quotes, with quotes, backslashes and control characters escaped.
 * Callers match on it, the quotes included (spec/agent-rpc.md 3).
 */
export function quoteForPeer(text: string): string {
  const escaped = text.replace(
    /["\\\u0000-\u001f\u007f]/g,
    (character) => escapes[character] ?? `\\u{${character.charCodeAt(0).toString(16)}}`,
  );
  return `"${escaped}"`;
}
