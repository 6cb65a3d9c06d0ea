import fs from "node:fs";
import { GuestError } from "../core/errors.ts";
import { type IpAddress, parseIpAddress } from "./ip-address.ts";
import { libc } from "./libc.ts";
import { inNamespace } from "./namespace.ts";
import { lastError } from "./system-error.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

/**
 * A listening TCP socket, for `net.Server.listen({ fd })`. Unlike Node's own it can live in another network namespace: a
 * socket belongs to the namespace it was made in, wherever its owner is.
 *
 * @param options host: a numeric address. port: 0 lets the kernel choose. networkNamespace: path; ours when absent
 * @returns a close-on-exec descriptor that the caller closes or gives away
 * @throws SystemError such as EADDRINUSE
 */
export function listenTcp(options: {
  readonly host: string;
  readonly port: number;
  readonly networkNamespace?: string | undefined;
}): number {
  const { host, port, networkNamespace } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError(`not a port: ${port}`);
  const ip = parseIpAddress(host);
  if (ip === undefined) throw new GuestError("invalid-argument", `not a numeric address: ${host}`);
  const address = encodeSocketAddress(ip, port);
  const family = ip.family === 4 ? AF_INET : AF_INET6;
  const open = (): number => openSocket(family);
  const fd = networkNamespace === undefined ? open() : inNamespace("net", networkNamespace, open);
  try {
    enableOption(fd, SOL_SOCKET, SO_REUSEADDR);
    if (family === AF_INET6) enableOption(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (libc.bind(fd, address, address.length) !== 0) throw lastError("bind");
    if (libc.listen(fd, 511) !== 0) throw lastError("listen");
    return fd;
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** The port that a socket is bound to. @throws SystemError */
export function boundPort(fd: number): number {
  const address = Buffer.alloc(28);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  if (libc.getsockname(fd, address, length) !== 0) throw lastError("getsockname");
  return address.readUInt16BE(2);
}

function openSocket(family: number): number {
  const fd = libc.socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw lastError("socket");
  return fd;
}

function enableOption(fd: number, level: number, option: number): void {
  const one = Buffer.from([1, 0, 0, 0]);
  if (libc.setsockopt(fd, level, option, one, one.length) !== 0) throw lastError("setsockopt");
}

/** struct sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes): the family in the machine's order, the rest in network order. */
function encodeSocketAddress({ family, bytes }: IpAddress, port: number): Buffer {
  const address = Buffer.alloc(family === 4 ? 16 : 28);
  address.writeUInt16LE(family === 4 ? AF_INET : AF_INET6, 0);
  address.writeUInt16BE(port, 2);
  bytes.copy(address, family === 4 ? 4 : 8);
  return address;
}
