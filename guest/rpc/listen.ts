import type { Server } from "node:net";

/**
 * Where to listen. `fd` is a socket that listens already: guest/sys makes them in another network namespace or with a mode
 * on a unix socket, and systemd hands them down.
 */
export type ListenAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | { readonly fd: number };

/**
 * Starts a server.
 *
 * @returns the port number that was bound; 0 for unix sockets
 * @throws the system's error when the address can't be bound
 */
export function listen(server: Server, address: ListenAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(address, () => {
      server.off("error", reject);
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? bound.port : 0);
    });
  });
}
