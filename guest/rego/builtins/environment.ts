/** Built-ins that reach outside a decision: the network, chance, the process. Some are refused, others need leave. */
import { randomInt } from "node:crypto";
import { integer as toNumber } from "../number.ts";
import { RegoObject, RegoSet } from "../value.ts";
import { formatIp, parseIp } from "./ip.ts";
import { builtin, integer, object, string, valueError } from "./operands.ts";
import type { Builtin, BuiltinContext } from "./types.ts";

const outside = { nondeterministic: true };

/** The same number for equal operands throughout one evaluation. */
function randomInteger(context: BuiltinContext, key: string, limit: bigint) {
  const magnitude = limit < 0n ? -limit : limit;
  if (magnitude > 2n ** 47n) throw valueError("rand.intn", "limit is too large");
  if (magnitude === 0n) return 0;
  const memoKey = `rand.intn:${magnitude}:${key}`;
  const known = context.memo.get(memoKey);
  if (known !== undefined) return known;
  const chosen = randomInt(Number(magnitude));
  context.memo.set(memoKey, chosen);
  return toNumber(BigInt(chosen));
}

export const environmentBuiltins: readonly Builtin[] = [
  builtin(
    "http.send",
    [object],
    (_context, _request) => {
      throw valueError("http.send", "a policy decides from its text, its state and the request alone: no network here");
    },
    outside,
  ),
  builtin(
    "net.lookup_ip_addr",
    [string],
    (_context, name) => {
      // The one name whose addresses need no look-up (RFC 6761 section 6.3).
      if (name === "localhost") return RegoSet.from(["127.0.0.1", "::1"]);
      const address = parseIp(name);
      if (address === undefined) throw valueError("net.lookup_ip_addr", "no name resolution here");
      return RegoSet.from([formatIp(address)]);
    },
    outside,
  ),
  builtin("rand.intn", [string, integer], randomInteger, outside),
  builtin("opa.runtime", [], () => new RegoObject(), outside),
  builtin("trace", [string], (_context, _note) => true),
];
