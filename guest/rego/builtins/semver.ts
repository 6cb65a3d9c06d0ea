/** semver.*: Semantic Versioning 2.0.0. */
import { any, builtin, string, valueError } from "./operands.ts";
import type { Builtin } from "./types.ts";

interface Version {
  readonly core: readonly bigint[];
  readonly prerelease: readonly string[];
}

const identifiers = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
const syntax = new RegExp(`^(\\d+)\\.(\\d+)\\.(\\d+)(?:-(${identifiers}))?(?:\\+${identifiers})?$`);
const maxVersionLength = 512;

function parseVersion(text: string): Version | undefined {
  const match = text.length > maxVersionLength ? null : syntax.exec(text);
  if (match === null) return undefined;
  const [, major = "", minor = "", patch = "", prerelease] = match;
  return { core: [BigInt(major), BigInt(minor), BigInt(patch)], prerelease: prerelease?.split(".") ?? [] };
}

function requireVersion(text: string, position: number): Version {
  const version = parseVersion(text);
  if (version !== undefined) return version;
  const shown = JSON.stringify(text.slice(0, maxVersionLength));
  throw valueError("semver.compare", `operand ${position}: string ${shown} is not a valid SemVer`);
}

function compareVersions(a: Version, b: Version): number {
  for (const [index, number] of a.core.entries()) {
    const order = compareScalars(number, b.core[index] ?? 0n);
    if (order !== 0) return order;
  }
  // A version without a prerelease comes after those with one.
  if (a.prerelease.length === 0 || b.prerelease.length === 0)
    return compareScalars(b.prerelease.length, a.prerelease.length);
  return comparePrereleases(a.prerelease, b.prerelease);
}

function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  for (const [index, identifier] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    const order = compareIdentifiers(identifier, other);
    if (order !== 0) return order;
  }
  return compareScalars(a.length, b.length);
}

function compareIdentifiers(a: string, b: string): number {
  const isNumber = /^\d+$/.test(a);
  const isOtherNumber = /^\d+$/.test(b);
  if (isNumber && isOtherNumber) return compareScalars(BigInt(a), BigInt(b));
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  return compareScalars(a, b);
}

function compareScalars<T extends bigint | number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export const semverBuiltins: readonly Builtin[] = [
  builtin("semver.compare", [string, string], (_context, a, b) =>
    compareVersions(requireVersion(a, 1), requireVersion(b, 2)),
  ),
  builtin(
    "semver.is_valid",
    [any],
    (_context, value) => typeof value === "string" && parseVersion(value) !== undefined,
  ),
];
