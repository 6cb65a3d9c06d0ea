import type { Initdata } from "./initdata.ts";

/**
 * What is in a document, on one line: the base64 form hides it from whoever looks at a pod (scenario I6). Names are the
 * document's own and therefore quoted.
 */
export function summarizeInitdata({ algorithm, digest, sizes, skipped }: Initdata): string {
  const used = [...sizes].map(([name, bytes]) => `${name} (${bytes} bytes)`);
  const parts = [`${algorithm}:${Buffer.from(digest).toString("hex")}`, used.join(", ") || "no entries"];
  if (skipped.length > 0) parts.push(`skipped ${skipped.map((name) => JSON.stringify(name.slice(0, 100))).join(", ")}`);
  return parts.join("; ");
}
