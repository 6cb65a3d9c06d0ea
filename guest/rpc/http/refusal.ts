import type { IncomingMessage } from "node:http";
import type { HttpResponse } from "./server.ts";

const loopbackHosts: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

const forbidden: HttpResponse = { status: 403, body: "Forbidden" };
const badRequest: HttpResponse = { status: 400, body: "BAD REQUEST" };

/**
 * Why a request is not let in, in the order of the reference: who asks comes before what is asked (spec/rest-api.md 2).
 *
 * @returns the answer to give, or undefined when the request may pass
 */
export function refusalOf(incoming: IncomingMessage, allowedHosts: readonly string[]): HttpResponse | undefined {
  if (!isLoopback(incoming.socket.remoteAddress ?? "")) return forbidden;
  const hosts = new Set([...loopbackHosts, ...allowedHosts]);
  const { host = "", origin } = incoming.headers;
  // Node keeps the first of several Host headers; a proxy in between might have looked at another.
  if (incoming.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host").length !== 1) {
    return badRequest;
  }
  if (!hosts.has(withoutPort(host))) return forbidden;
  if (origin !== undefined && !hosts.has(withoutPort(origin.replace(/^https?:\/\//, "")))) return forbidden;
  return incoming.url?.startsWith("/") ? undefined : badRequest;
}

function isLoopback(address: string): boolean {
  const ipv4 = address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
  return address === "::1" || ipv4.startsWith("127.");
}

function withoutPort(host: string): string {
  return host.toLowerCase().replace(/:\d{1,5}$/, "");
}
