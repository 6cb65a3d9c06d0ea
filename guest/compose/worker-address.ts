import { dirname } from "node:path";
import type { ListenAddress } from "../rpc/listen.ts";
import { makeDirectories } from "../sys/file.ts";
import { listenUnix } from "../sys/unix-socket.ts";
import { parseEndpoint } from "./endpoint.ts";

/**
 * Where the worker is served, from `agent.listen`. A TCP port is not bound before the port opens; a unix socket is there at once, for
 * root only.
 *
 * @throws GuestError `invalid-argument`, or the system's error
 */
export function workerAddress(listen: string): ListenAddress {
  const path = /^unix:\/\/(\/.*)$/.exec(listen)?.[1];
  if (path === undefined) return parseEndpoint("agent.listen", listen);
  makeDirectories(dirname(path), 0o700);
  return { fd: listenUnix(path) };
}
