import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Two ends of a TCP connection on loopback. */
export async function socketPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer({ noDelay: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  // A TCP server that listens has an address of this kind.
  const { port } = server.address() as AddressInfo;
  const near = connect({ host: "127.0.0.1", port, noDelay: true });
  const [[far]] = await Promise.all([once(server, "connection"), once(near, "connect")]);
  server.close();
  return [near, far];
}
