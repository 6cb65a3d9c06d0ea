import { join } from "node:path";
import { type ErrorCode, GuestError } from "../core/errors.ts";
import { isJsonObject, parseJson } from "../core/json.ts";
import { makeDirectories, readFileIfPresent, removeFile, writeFileAtomically } from "../sys/file.ts";
import type { Configuration } from "./configuration.ts";
import type { FailedStart } from "./daemon.ts";

/** Why the hub could not start. */
export interface HubFailure {
  /** As the hub said it on the console. */
  readonly line: string;
  /** Whether another attempt would fail the same way: the initdata and the machine stay what they are. */
  readonly isFinal: boolean;
}

const maxFileBytes = 64 * 1024;

/** What a hub that fails of it will always fail of, unless one of the passing ones is underneath. */
const finalCodes: ReadonlySet<ErrorCode> = new Set(["invalid-argument", "failed-precondition", "unimplemented"]);
const passingCodes: ReadonlySet<ErrorCode> = new Set([
  "aborted",
  "cancelled",
  "deadline-exceeded",
  "resource-exhausted",
  "unavailable",
]);

/** Leaves the reason for the agent, which waits for the hub and is the one that tells the worker. For root only. */
export async function leaveHubFailure({ configuration, error, line, log }: FailedStart): Promise<void> {
  const failure: HubFailure = { line, isFinal: isFinal(error) };
  try {
    makeDirectories(configuration.agent.runtimeDirectory, 0o700);
    writeFileAtomically(fileOf(configuration), JSON.stringify(failure), 0o600);
  } catch (cause) {
    log.warn("the agent can't be told why the hub does not start", { error: cause });
  }
}

/** @returns undefined when the hub has not failed since provisioning, or serves */
export function readHubFailure(configuration: Configuration): HubFailure | undefined {
  const text = readFileIfPresent(fileOf(configuration), maxFileBytes);
  const document = text === undefined ? undefined : parseJson(text);
  if (!isJsonObject(document)) return undefined;
  return { line: String(document["line"]), isFinal: document["isFinal"] === true };
}

/** For when the hub serves, and for provisioning: what an earlier hub has left says nothing about the next one. */
export function clearHubFailure(configuration: Configuration): void {
  removeFile(fileOf(configuration));
}

function fileOf({ agent }: Configuration): string {
  return join(agent.runtimeDirectory, "hub-failure.json");
}

function isFinal(error: unknown): boolean {
  const codes: ErrorCode[] = [];
  for (let current = error; current instanceof Error && codes.length < 10; current = current.cause) {
    codes.push(current instanceof GuestError ? current.code : "unknown");
  }
  const [outermost] = codes;
  return outermost !== undefined && finalCodes.has(outermost) && !codes.some((code) => passingCodes.has(code));
}
