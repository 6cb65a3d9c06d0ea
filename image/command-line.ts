import process, { exit } from "node:process";
import { type ParseArgsConfig, parseArgs } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Values<T extends Options> = ReturnType<typeof parseArgs<{ options: T }>>["values"];

/** Reads the options behind `npm run … --`. `--help` and mistakes print the usage and end the process. */
export function readOptions<const T extends Options>(usage: string, options: T): Values<T> {
  if (process.argv.includes("--help")) {
    process.stdout.write(usage);
    exit(0);
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return stopForMistake(usage, error instanceof Error ? error.message : String(error));
  }
}

/** Takes one of the values that an option may have, else prints the usage and ends the process. */
export function requireChoice<T extends string>(usage: string, value: string, choices: readonly T[]): T {
  return (
    choices.find((choice) => choice === value) ?? stopForMistake(usage, `${value} is none of ${choices.join(", ")}`)
  );
}

function stopForMistake(usage: string, mistake: string): never {
  process.stderr.write(`${mistake}\n\n${usage}`);
  return exit(2);
}
