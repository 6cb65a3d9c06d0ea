import fs from "node:fs";
import { GuestError } from "../core/errors.ts";
import { addressOf, libc, linux } from "./libc.ts";
import { asSystemCall, isErrno, lastError } from "./system-error.ts";
import { listenUnix } from "./unix-socket.ts";

/**
 * The unix socket by which an OCI runtime hands over the master side of a container's terminal (its option
 * `--console-socket`): it connects, and sends one message with one descriptor (SCM_RIGHTS).
 */
export class ConsoleSocket implements Disposable {
  readonly path: string;
  readonly #fd: number;
  #open = true;

  /** Listens. @throws SystemError */
  constructor(path: string) {
    this.path = path;
    this.#fd = listenUnix(path);
  }

  /**
   * The terminal that was handed over. To be called when the runtime's `create` or `exec` has ended well: it has connected
   * and sent before, so nothing here waits.
   *
   * @returns a close-on-exec descriptor that the caller owns
   * @throws GuestError `failed-precondition` when no terminal was handed over; SystemError
   */
  receiveTerminal(): number {
    const connection = libc.accept4(this.#fd, null, null, linux.O_CLOEXEC | fs.constants.O_NONBLOCK);
    if (connection < 0) {
      const error = lastError("accept4", this.path);
      throw isErrno(error, "EAGAIN") ? noTerminal(error) : error;
    }
    try {
      return receiveDescriptor(connection);
    } finally {
      fs.closeSync(connection);
    }
  }

  /** Stops listening and removes the socket. Calling again does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    fs.closeSync(this.#fd);
    asSystemCall(() => fs.rmSync(this.path, { force: true }));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * recvmsg(2) of one descriptor. struct msghdr on 64-bit machines: name, name length, iovec, iovec count, control, control
 * length, flags: seven times eight bytes. The control message: its length (u64), level, type (u32 each), the descriptor.
 */
function receiveDescriptor(connection: number): number {
  const SOL_SOCKET = 1;
  const SCM_RIGHTS = 1;
  const MSG_CMSG_CLOEXEC = 0x40000000;
  // One buffer for all that the header points to: the call keeps it alive, which a pointer to another one would not.
  const header = Buffer.alloc(56 + 16 + 24 + 256);
  const vector = header.subarray(56, 72);
  const control = header.subarray(72, 96);
  const data = header.subarray(96);
  vector.writeBigUInt64LE(addressOf(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(addressOf(control), 32);
  // Room for one: the kernel drops further descriptors instead of opening them here.
  header.writeBigUInt64LE(20n, 40);
  if (libc.recvmsg(connection, header, MSG_CMSG_CLOEXEC) < 0n) {
    const error = lastError("recvmsg");
    throw isErrno(error, "EAGAIN") ? noTerminal(error) : error;
  }
  const hasDescriptor =
    header.readBigUInt64LE(40) >= 20n &&
    control.readBigUInt64LE(0) === 20n &&
    control.readUInt32LE(8) === SOL_SOCKET &&
    control.readUInt32LE(12) === SCM_RIGHTS;
  if (!hasDescriptor) throw noTerminal();
  return control.readInt32LE(16);
}

function noTerminal(cause?: unknown): GuestError {
  return new GuestError("failed-precondition", "the OCI runtime has handed over no terminal", { cause });
}
