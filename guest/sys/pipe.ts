import net from "node:net";
import type { Readable, Writable } from "node:stream";
import { libc, linux } from "./libc.ts";
import { lastError } from "./system-error.ts";

/** Both ends of a pipe, close-on-exec and blocking. Whoever makes it closes both, or hands them on. */
export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
}

/**
 * Makes a pipe. Node's own stdio "pipes" are sockets, which a container couldn't open again by /dev/stdout.
 *
 * @param options sizeBytes: how much the pipe holds before the writer waits; the kernel's 64 KiB when absent. A size above
 *   the kernel's limit is taken as that limit.
 * @throws SystemError EMFILE
 */
export function createPipe(options: { readonly sizeBytes?: number } = {}): Pipe {
  const descriptors = Buffer.alloc(8);
  if (libc.pipe2(descriptors, linux.O_CLOEXEC) !== 0) throw lastError("pipe2");
  const pipe = { readFd: descriptors.readInt32LE(0), writeFd: descriptors.readInt32LE(4) };
  if (options.sizeBytes !== undefined) enlarge(pipe.writeFd, options.sizeBytes);
  return pipe;
}

/**
 * A stream of the reading end of a pipe, or of a socket. Reads only as much as is asked for, so that the writer waits when
 * nobody reads. The stream owns the descriptor and makes it non-blocking.
 */
export function openReadable(fd: number): Readable {
  return new net.Socket({ fd, readable: true, writable: false });
}

/** A stream to the writing end of a pipe, or to a socket. The stream owns the descriptor and makes it non-blocking. */
export function openWritable(fd: number): Writable {
  return new net.Socket({ fd, readable: false, writable: true });
}

function enlarge(fd: number, sizeBytes: number): void {
  const setPipeSize = 1031;
  // Not fatal: an unprivileged caller may not go above the limit, and every pipe works at any size.
  for (let size = sizeBytes; size > 65_536; size = Math.floor(size / 2))
    if (libc.fcntl(fd, setPipeSize, BigInt(size)) >= 0) return;
}
