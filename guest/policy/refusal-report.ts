import type { JsonObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import { maxPrintedLength } from "./limits.ts";
import type { PolicyEngine } from "./policy-engine.ts";

/** What a policy was asked, and the memory that it was asked on. */
export interface Question {
  readonly entrypoint: string;
  readonly input: JsonObject;
  readonly document: JsonObject;
}

/**
 * Logs which rule refused a request and at which part of it, by evaluating once more. The line holds text of the policy only;
 * values of the request are for `debug` lines.
 *
 * @param wantPrints whether the caller shows the rules' prints to the peer
 * @returns the prints joined by a space, or nothing when they aren't wanted
 */
export function explainRefusal(
  engine: PolicyEngine,
  { entrypoint, input, document }: Question,
  wantPrints: boolean,
  log: Log,
): string {
  try {
    const [nearest] = engine.explain(entrypoint, input, document);
    const { rule, place, literal } = nearest ?? {};
    log.warn("request denied by policy", { entrypoint, rule, place, literal });
    if (!wantPrints && !log.debugEnabled) return "";
    const prints = engine.prints(entrypoint, input, document).join(" ").slice(0, maxPrintedLength);
    log.debug("what the policy saw", { entrypoint, values: nearest?.values, prints });
    return wantPrints ? prints : "";
  } catch (error) {
    // The decision stands; only its explanation is missing.
    log.warn("request denied by policy", { entrypoint, unexplained: error });
    return "";
  }
}
