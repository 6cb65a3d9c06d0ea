import fs from "node:fs";
import { GuestError } from "../core/errors.ts";
import { libc, linux } from "./libc.ts";
import { asSystemCall, isErrno, lastError } from "./system-error.ts";

/** struct sockaddr_un has room for 108 bytes of path, the NUL included. */
const maxSocketPathBytes = 107;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;

/**
 * A listening unix socket, for `net.Server.listen({ fd })`. A socket that a dead process has left at the path is removed; one
 * that somebody listens on is not.
 *
 * @param options mode: who may connect; 0o600 when absent. The mode holds from the first moment on.
 * @returns a close-on-exec, non-blocking descriptor. Who closes it removes the file, too.
 * @throws SystemError; GuestError `already-exists` when the path is in use or isn't a socket
 */
export function listenUnix(path: string, options: { readonly mode?: number } = {}): number {
  const address = encodeUnixAddress(path);
  removeStaleSocket(path);
  const fd = openUnixSocket(SOCK_STREAM);
  try {
    if (libc.bind(fd, address, address.length) !== 0) throw lastError("bind", path);
    // Nobody can connect before listen, so the mode is never wider than it should be.
    asSystemCall(() => fs.chmodSync(path, options.mode ?? 0o600));
    if (libc.listen(fd, 511) !== 0) throw lastError("listen", path);
    return fd;
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/**
 * Removes the socket that a dead process has left.
 *
 * @throws GuestError `already-exists` when somebody listens on it, or when it's not a socket
 */
export function removeStaleSocket(path: string): void {
  const status = asSystemCall(() => fs.lstatSync(path, { throwIfNoEntry: false }));
  if (status === undefined) return;
  if (!status.isSocket()) throw new GuestError("already-exists", `${path} is not a socket`);
  if (isListening(path)) throw new GuestError("already-exists", `another process listens on ${path}`);
  asSystemCall(() => fs.unlinkSync(path));
}

/**
 * Sends one datagram to a unix socket, without waiting.
 *
 * @param path a path, or a name in the abstract namespace after `@`
 * @throws SystemError
 */
export function sendUnixDatagram(path: string, message: string): void {
  const address = encodeUnixAddress(path);
  const bytes = Buffer.from(message);
  const fd = openUnixSocket(SOCK_DGRAM);
  try {
    const MSG_NOSIGNAL = 0x4000;
    if (libc.sendto(fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL, address, address.length) < 0n)
      throw lastError("sendto", path);
  } finally {
    fs.closeSync(fd);
  }
}

function isListening(path: string): boolean {
  const address = encodeUnixAddress(path);
  const fd = openUnixSocket(SOCK_STREAM);
  try {
    if (libc.connect(fd, address, address.length) === 0) return true;
    const error = lastError("connect", path);
    if (isErrno(error, "ECONNREFUSED")) return false;
    // A full queue, or a socket of another type: somebody has it.
    if (isErrno(error, "EAGAIN", "EPROTOTYPE")) return true;
    throw error;
  } finally {
    fs.closeSync(fd);
  }
}

function openUnixSocket(type: number): number {
  const fd = libc.socket(AF_UNIX, type | linux.O_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw lastError("socket");
  return fd;
}

/** struct sockaddr_un: the family and the path, or a NUL and the name in the abstract namespace. */
function encodeUnixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length === 0 || bytes.length > maxSocketPathBytes || bytes.includes(0))
    throw new GuestError("invalid-argument", `a socket path has 1 to ${maxSocketPathBytes} bytes and no NUL`);
  const abstract = path.startsWith("@");
  const address = Buffer.alloc(2 + bytes.length + (abstract ? 0 : 1));
  address.writeUInt16LE(AF_UNIX, 0);
  bytes.copy(address, 2);
  if (abstract) address[2] = 0;
  return address;
}
