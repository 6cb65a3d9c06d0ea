import { GuestError } from "../core/errors.ts";
import { isJsonArray, isJsonObject, type JsonObject, parseJson } from "../core/json.ts";
import { readFileIfPresent } from "../sys/file.ts";
import { inNamespace } from "../sys/namespace.ts";
import { findProgram, runToSuccess } from "../sys/program.ts";
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
  async query(...args: readonly string[]): Promise<JsonObject[]> {
    const output = await this.#run(["-N", "-json", ...args]);
    const text = output.toString().trim();
    const parsed = text === "" ? [] : parseJson(text);
    if (!isJsonArray(parsed)) throw new GuestError("internal", "ip printed something that is no list");
    return parsed.filter(isJsonObject);
  }

  /** Changes something. @throws GuestError `internal` with the words of `ip`, such as "RTNETLINK answers: File exists" */
  async run(...args: readonly string[]): Promise<void> {
    await this.#run(args);
  }

  /** Changes many things in one run, in order, up to the first failure. */
  async batch(commands: readonly (readonly string[])[]): Promise<void> {
    if (commands.length === 0) return;
    const unsafe = commands.flat().find((word) => !/^[A-Za-z0-9_.:/+-]+$/.test(word));
    if (unsafe !== undefined)
      throw new GuestError("internal", "a word for ip would be taken apart", { fields: { unsafe } });
    await this.#run(["-batch", "-"], Buffer.from(commands.map((words) => `${words.join(" ")}\n`).join("")));
  }

  /** False where the kernel has no IPv6, or has it switched off in this namespace. */
  isIpv6Enabled(): boolean {
    const read = (): string | undefined =>
      readFileIfPresent("/proc/sys/net/ipv6/conf/all/disable_ipv6", 16)?.toString();
    return (this.#namespace === undefined ? read() : inNamespace("net", this.#namespace, read))?.trim() === "0";
  }

  async #run(args: readonly string[], stdin?: Uint8Array): Promise<Buffer> {
    return runToSuccess(findProgram("ip"), args, {
      networkNamespace: this.#namespace,
      maxOutputBytes: maxIpOutputBytes,
      ...(stdin === undefined ? {} : { stdin }),
    });
  }
}
