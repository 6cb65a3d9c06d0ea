import { type Command, exitCodes } from "../core/command.ts";
import { run as check } from "./policy-check.ts";
import { run as evaluate } from "./policy-eval.ts";
import { run as test } from "./policy-test.ts";

const usage = `usage: podkeep policy eval   decide a request by a policy, and say why
       podkeep policy check  find the mistakes in a policy
       podkeep policy test   run conformance cases
`;

const actions: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["eval", evaluate],
  ["check", check],
  ["test", test],
]);

/** `podkeep policy ACTION …`. */
export const run: Command = async ([name = "", ...args], io) => {
  const action = actions.get(name);
  if (action !== undefined) return action(args, io);
  const asked = name === "--help" || name === "-h";
  if (asked) io.stdout(usage);
  else io.stderr(`podkeep policy: ${name === "" ? "no action" : `unknown action ${name}`}\n\n${usage}`);
  return asked ? exitCodes.success : exitCodes.usage;
};
