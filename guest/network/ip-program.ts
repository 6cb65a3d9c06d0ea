import { GuestError } from "../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, parseJson } from "../core/json.ts";
import { readFileIfPresent } from "../sys/file.ts";
import { inNamespace } from "../sys/namespace.ts";
import { findProgram, type ProgramResult, runProgram } from "../sys/program.ts";
import { maxIpOutputBytes } from "./limits.ts";

/**
 * iproute2's `ip` in a network namespace. Every argument is a word of its own, and who calls has checked it: names, numbers and
 * addresses only, none of which begins with `-` (threat model row 131).
 */
export class IpProgram {
  readonly #namespace: string | undefined;

  /** @param namespace path such as `/run/netns/podns`; undefined for the one that we are in */
  constructor(namespace: string | undefined) {
    this.#namespace = namespace;
  }

  /** Asks and gets objects. `-N` gives numbers for protocols and scopes, whatever names the machine has for them. */
  async query(...command: readonly string[]): Promise<JsonObject[]> {
    const output = await this.#run(["-N", "-json", ...command], [command]);
    const text = output.toString().trim();
    const parsed = text === "" ? [] : parseJson(text);
    if (!isJsonArray(parsed)) throw new GuestError("internal", "ip printed something that is no list");
    return parsed.filter(isJsonObject);
  }

  /** Changes something. @throws GuestError `internal` with the command and the words of `ip`, such as "RTNETLINK answers: File exists" */
  async run(...command: readonly string[]): Promise<void> {
    await this.#run(command, [command]);
  }

  /** Changes many things in one run, in order, up to the first failure. @throws as {@link run}, with the command that failed */
  async batch(commands: readonly (readonly string[])[]): Promise<void> {
    if (commands.length === 0) return;
    const unsafe = commands.flat().find((word) => !/^[A-Za-z0-9_.:/+-]+$/.test(word));
    if (unsafe !== undefined)
      throw new GuestError("internal", "a word for ip would be taken apart", { fields: { unsafe } });
    const lines = commands.map((words) => `${words.join(" ")}\n`);
    await this.#run(["-batch", "-"], commands, Buffer.from(lines.join("")));
  }

  /** False where the kernel has no IPv6, or has it switched off in this namespace. */
  isIpv6Enabled(): boolean {
    const read = (): string | undefined =>
      readFileIfPresent("/proc/sys/net/ipv6/conf/all/disable_ipv6", 16)?.toString();
    return (this.#namespace === undefined ? read() : inNamespace("net", this.#namespace, read))?.trim() === "0";
  }

  /** @param commands what `ip` was told by the arguments or by its input, for the error */
  async #run(
    args: readonly string[],
    commands: readonly (readonly string[])[],
    stdin: Uint8Array = new Uint8Array(0),
  ): Promise<Buffer> {
    const result = await runProgram(findProgram("ip"), args, {
      networkNamespace: this.#namespace,
      maxOutputBytes: maxIpOutputBytes,
      stdin,
    });
    if (result.exitCode === 0) return result.stdout;
    throw failureOf(result, commands);
  }
}

/** Of a batch `ip` says the number of the line that failed, after what went wrong. */
function failureOf({ stderr, exitCode, signal }: ProgramResult, commands: readonly (readonly string[])[]): GuestError {
  const [, words = "", line = "1"] = /^(.*?)(?:\s*Command failed -:(\d+))?$/s.exec(stderr.toString().trim()) ?? [];
  const command = commands[Number(line) - 1]?.join(" ") ?? "";
  return new GuestError("internal", `ip ${command}: ${words || `ended with ${exitCode ?? signal}`}`, {
    fields: { exitCode, signal },
  });
}
