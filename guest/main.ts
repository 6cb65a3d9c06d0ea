import { argv } from "node:process";
import { type Command, exitCodes } from "./core/command.ts";
import { podkeepVersion } from "./core/version.ts";
import { runAsProcess } from "./process.ts";

/** A subcommand: what it is for, and where its code is. Loaded when asked for, so that each starts fast. */
interface Subcommand {
  readonly summary: string;
  load(): Promise<Command>;
}

const subcommands: Readonly<Record<string, Subcommand>> = {
  provision: {
    summary: "verify initdata and write what the daemons need; start nothing",
    load: async () => (await import("./compose/provision/command.ts")).provisionCommand,
  },
  agent: {
    summary: "serve the Kata agent API, every request decided by the policy",
    load: async () => (await import("./compose/agent/command.ts")).agentCommand,
  },
  hub: {
    summary: "serve the attestation agent, the data hub and the workload's HTTP API",
    load: async () => (await import("./compose/hub/command.ts")).hubCommand,
  },
  serve: {
    summary: "provision, hub and agent together, for development",
    load: async () => (await import("./compose/serve-command.ts")).serveCommand,
  },
  ctl: {
    summary: "call any method of the agent, the hub or the attestation agent, JSON in and out",
    load: async () => (await import("./cli/ctl.ts")).run,
  },
  evidence: {
    summary: "get evidence from the attestation agent that runs here",
    load: async () => (await import("./cli/evidence.ts")).run,
  },
  token: {
    summary: "get an attestation token from it",
    load: async () => (await import("./cli/token.ts")).run,
  },
  verify: {
    summary: "check evidence against reference values",
    load: async () => (await import("./cli/verify.ts")).run,
  },
  measure: {
    summary: "compute what a verifier should expect of an image and an initdata document",
    load: async () => (await import("./cli/measure.ts")).run,
  },
  initdata: {
    summary: "encode, decode, digest and check initdata",
    load: async () => (await import("./cli/initdata.ts")).run,
  },
  policy: {
    summary: "evaluate, check and test policies",
    load: async () => (await import("./cli/policy.ts")).run,
  },
};

const usage = `podkeep: the guest side of confidential containers

usage: podkeep SUBCOMMAND [ARGUMENT…]
       podkeep SUBCOMMAND --help
       podkeep --version

${Object.entries(subcommands)
  .map(([name, { summary }]) => `  ${name.padEnd(11)}${summary}`)
  .join("\n")}

exit codes: 0 done, allowed or valid; 1 refused, failed or invalid; 2 wrong command line; 3 peer not reached
`;

/** `podkeep …`: the first word chooses. */
const podkeep: Command = async ([name = "", ...args], io) => {
  if (name === "--version" || name === "-V") {
    io.stdout(`podkeep ${podkeepVersion}\n`);
    return exitCodes.success;
  }
  const subcommand = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (subcommand !== undefined) return (await subcommand.load())(args, io);
  const asked = name === "--help" || name === "-h";
  (asked ? io.stdout : io.stderr)(asked || name === "" ? usage : `podkeep: there is no subcommand ${name}\n\n${usage}`);
  return asked ? exitCodes.success : exitCodes.usage;
};

await runAsProcess(argv[2] ?? "", podkeep);
