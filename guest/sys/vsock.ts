import fs from "node:fs";
import { promisify } from "node:util";
import { libc, linux } from "./libc.ts";
import { lastError, toSystemError } from "./system-error.ts";

const AF_VSOCK = 40;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const SO_VM_SOCKETS_CONNECT_TIMEOUT = 6;

/** The context id of the host (linux/vm_sockets.h). */
export const hostContextId = 2;

const readFile = promisify(fs.read);
const writeFile = promisify(fs.write);

/** A connected stream socket whose reads and writes wait off the thread, each for a limited time. */
export interface SocketStream {
  /** @returns what is there, at most `maxBytes`; nothing at the end. @throws SystemError EAGAIN when the time is over */
  read(maxBytes: number): Promise<Uint8Array>;
  /** @throws SystemError EAGAIN when the time is over */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/**
 * Connects to a vsock port. Node's own sockets know neither AF_VSOCK nor a descriptor of it, so reads and writes are those of files.
 * Connecting holds the thread up until the host answers, for a second at most: there is no other way without poll.
 *
 * @param options timeoutMs: for each read and write
 * @throws SystemError such as ECONNRESET when nobody listens, ENODEV without vsock
 */
export function connectVsock(options: {
  readonly contextId: number;
  readonly port: number;
  readonly timeoutMs: number;
}): SocketStream {
  const fd = libc.socket(AF_VSOCK, SOCK_STREAM | linux.O_CLOEXEC, 0);
  if (fd < 0) throw lastError("socket");
  try {
    limitTime(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, 1_000);
    const address = encodeVsockAddress(options.contextId, options.port);
    if (libc.connect(fd, address, address.length) !== 0) throw lastError("connect");
    return openSocketStream(fd, options.timeoutMs);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/**
 * Makes a stream of a connected, blocking socket, which belongs to it from then on.
 *
 * @param timeoutMs for each read and write
 * @throws SystemError; the socket stays the caller's then
 */
export function openSocketStream(fd: number, timeoutMs: number): SocketStream {
  limitTime(fd, SOL_SOCKET, SO_RCVTIMEO, timeoutMs);
  limitTime(fd, SOL_SOCKET, SO_SNDTIMEO, timeoutMs);
  return {
    read: async (maxBytes) => {
      const bytes = new Uint8Array(maxBytes);
      const { bytesRead } = await waiting(readFile(fd, bytes, 0, maxBytes, null));
      return bytes.subarray(0, bytesRead);
    },
    write: async (bytes) => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await waiting(writeFile(fd, bytes, done, bytes.length - done, null));
        done += bytesWritten;
      }
    },
    close: () => fs.closeSync(fd),
  };
}

/** struct timeval: seconds and microseconds, 64 bits each. */
function limitTime(fd: number, level: number, option: number, milliseconds: number): void {
  const time = Buffer.alloc(16);
  time.writeBigInt64LE(BigInt(Math.floor(milliseconds / 1000)), 0);
  time.writeBigInt64LE(BigInt((milliseconds % 1000) * 1000), 8);
  if (libc.setsockopt(fd, level, option, time, time.length) !== 0) throw lastError("setsockopt");
}

/** struct sockaddr_vm, 16 bytes: family u16, reserved u16, port u32, context id u32, flags u8, zeros. */
function encodeVsockAddress(contextId: number, port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_VSOCK, 0);
  address.writeUInt32LE(port, 4);
  address.writeUInt32LE(contextId, 8);
  return address;
}

async function waiting<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toSystemError(error);
  }
}
