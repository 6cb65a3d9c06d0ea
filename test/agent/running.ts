import type { GuestFixture } from "./guest-fixture.ts";
import { type ContainerOptions, containerRequest, processRequest } from "./requests.ts";

/** Creates and starts a container. */
export async function run(
  guest: GuestFixture,
  id: string,
  args: readonly string[],
  options: ContainerOptions = {},
): Promise<void> {
  await guest.call("CreateContainer", containerRequest(guest.paths, id, args, options));
  await guest.call("StartContainer", { container_id: id });
}

/** Reads a stream to its end. */
export async function readAll(
  guest: GuestFixture,
  id: string,
  execId: string,
  method: "ReadStdout" | "ReadStderr" = "ReadStdout",
): Promise<string> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { data } = await guest.call(method, { container_id: id, exec_id: execId, len: 32_768 });
    if (data.byteLength === 0) return Buffer.concat(pieces).toString();
    pieces.push(data);
  }
}

/** Runs a command in a container to its end. */
export async function exec(
  guest: GuestFixture,
  id: string,
  execId: string,
  args: readonly string[],
  options: ContainerOptions = {},
): Promise<{ readonly stdout: string; readonly stderr: string; readonly status: number }> {
  await guest.call("ExecProcess", {
    container_id: id,
    exec_id: execId,
    process: processRequest(args, options.process),
  });
  const stdout = await readAll(guest, id, execId);
  const stderr = await readAll(guest, id, execId, "ReadStderr");
  const { status } = await guest.call("WaitProcess", { container_id: id, exec_id: execId });
  return { stdout, stderr, status };
}

/** Reads until the text has come. */
export async function readUntil(guest: GuestFixture, id: string, execId: string, text: string): Promise<string> {
  let seen = "";
  while (!seen.includes(text)) {
    const { data } = await guest.call("ReadStdout", { container_id: id, exec_id: execId, len: 4096 });
    if (data.byteLength === 0) throw new Error(`ended before ${text}: ${seen}`);
    seen += Buffer.from(data).toString();
  }
  return seen;
}

/** Code and text of a call's failure, as the peer sees them. */
export async function failure(call: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Error && "code" in error && "peerMessage" in error) {
      return { code: String(error.code), message: String(error.peerMessage) };
    }
    throw error;
  }
  throw new Error("the call has succeeded");
}
