import path from "node:path";
import { afterEach } from "vitest";
import { createPersistentNamespace, removePersistentNamespace } from "../../guest/sys/namespace.ts";
import { findProgram, runToSuccess } from "../../guest/sys/program.ts";
import { temporaryDirectory } from "../sys/support.ts";

const made: string[] = [];

afterEach(() => {
  for (const namespace of made.splice(0)) removePersistentNamespace(namespace);
});

/** A network namespace of the test's own, with nothing in it but a loopback interface that is up. */
export async function networkNamespace(): Promise<string> {
  const namespace = path.join(temporaryDirectory(), "net");
  createPersistentNamespace("net", namespace);
  made.push(namespace);
  await ip(namespace, "link set lo up");
  return namespace;
}

/** Runs `ip` with words that the test writes. */
export async function ip(namespace: string, command: string): Promise<string> {
  const output = await runToSuccess(findProgram("ip"), command.split(" "), { networkNamespace: namespace });
  return output.toString();
}

/** Two namespaces with a cable between them: `left` and `right` are the names of its ends. */
export async function connectedNamespaces(): Promise<{ near: string; far: string }> {
  const [near, far] = [await networkNamespace(), await networkNamespace()];
  await ip(near, `link add left type veth peer name right netns ${far}`);
  return { near, far };
}
