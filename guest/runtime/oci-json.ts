/**
 * JSON text of a value as the OCI runtimes read it: `bigint` becomes a plain number with all its digits (a resource limit may
 * be 18446744073709551615, which a JavaScript number cannot hold), members that are `undefined` are left out.
 *
 * @throws TypeError for anything that JSON has no form for
 */
export function encodeOciJson(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(encodeOciJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => `${JSON.stringify(key)}:${encodeOciJson(member)}`);
    return `{${members.join(",")}}`;
  }
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`a ${typeof value} cannot be written as JSON`);
  return text;
}
