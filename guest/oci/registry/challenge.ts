/** What a registry wants to see before it answers (RFC 9110 11.6.1). */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Parameters by lower-case name. */
  readonly parameters: ReadonlyMap<string, string>;
}

const maxHeaderLength = 8192;
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const schemePattern = new RegExp(`[\\s,]*(${token})(?=\\s|,|$)`, "y");
const parameterPattern = new RegExp(`[\\s,]*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`, "y");

/**
 * Reads a `WWW-Authenticate` header with one or several challenges. What cannot be read ends the list: a registry that
 * sends nonsense simply offers nothing.
 */
export function parseChallenges(header: string): Challenge[] {
  if (header.length > maxHeaderLength) return [];
  const challenges: Challenge[] = [];
  let position = 0;
  for (;;) {
    const scheme = matchAt(schemePattern, header, position);
    if (scheme === null) return challenges;
    position += scheme[0].length;
    const parameters = new Map<string, string>();
    for (let found = matchAt(parameterPattern, header, position); found !== null; ) {
      parameters.set((found[1] ?? "").toLowerCase(), (found[2] ?? found[3] ?? "").replaceAll(/\\(.)/g, "$1"));
      position += found[0].length;
      found = matchAt(parameterPattern, header, position);
    }
    challenges.push({ scheme: (scheme[1] ?? "").toLowerCase(), parameters });
  }
}

/** The match that begins exactly at a position. The pattern is sticky. */
function matchAt(pattern: RegExp, text: string, position: number): RegExpExecArray | null {
  pattern.lastIndex = position;
  return pattern.exec(text);
}
