/** The table of built-in functions by name, without the families that are loaded on demand. */
import { aggregateBuiltins } from "./aggregates.ts";
import { arrayBuiltins } from "./arrays.ts";
import { bitBuiltins } from "./bits.ts";
import { cryptoBuiltins } from "./crypto.ts";
import { encodingBuiltins } from "./encodings.ts";
import { environmentBuiltins } from "./environment.ts";
import { globBuiltins } from "./glob.ts";
import { graphBuiltins } from "./graphs.ts";
import { jsonMarshalBuiltins } from "./json-marshal.ts";
import { jsonPatchBuiltins } from "./json-patch.ts";
import { jsonPathBuiltins } from "./json-paths.ts";
import { jwtBuiltins } from "./jwt.ts";
import { netBuiltins } from "./net.ts";
import { numberBuiltins } from "./numbers.ts";
import { objectBuiltins } from "./objects.ts";
import { regexBuiltins } from "./regex.ts";
import { semverBuiltins } from "./semver.ts";
import { setBuiltins } from "./sets.ts";
import { sprintfBuiltins } from "./sprintf.ts";
import { stringBuiltins } from "./strings.ts";
import { timeBuiltins } from "./time.ts";
import { typeCheckBuiltins } from "./type-checks.ts";
import type { Builtin } from "./types.ts";
import { unitBuiltins } from "./units.ts";
import { uuidBuiltins } from "./uuid.ts";
import { walkBuiltins } from "./walk.ts";
import { x509Builtins } from "./x509.ts";

const families: readonly (readonly Builtin[])[] = [
  aggregateBuiltins,
  arrayBuiltins,
  bitBuiltins,
  cryptoBuiltins,
  encodingBuiltins,
  environmentBuiltins,
  globBuiltins,
  graphBuiltins,
  jsonMarshalBuiltins,
  jsonPatchBuiltins,
  jsonPathBuiltins,
  jwtBuiltins,
  netBuiltins,
  numberBuiltins,
  objectBuiltins,
  regexBuiltins,
  semverBuiltins,
  setBuiltins,
  sprintfBuiltins,
  stringBuiltins,
  timeBuiltins,
  typeCheckBuiltins,
  unitBuiltins,
  uuidBuiltins,
  walkBuiltins,
  x509Builtins,
];

/** Every built-in that needs no loading, by its full name. Operators are not in it: the compiler knows them. */
export const builtins: ReadonlyMap<string, Builtin> = new Map(
  families.flat().map((entry) => [entry.name, entry] as const),
);
