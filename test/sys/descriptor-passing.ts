import ffi from "node:ffi";
import fs from "node:fs";

/** The other side of what guest/sys does with terminals, as an OCI runtime does it. */

const { functions: libc } = ffi.dlopen(null, {
  socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
  connect: { arguments: ["i32", "pointer", "u32"], return: "i32" },
  sendmsg: { arguments: ["i32", "pointer", "i32"], return: "i64" },
  ioctl: { arguments: ["i32", "u64", "pointer"], return: "i32" },
});

/** A pseudo terminal without echo. */
export function openPseudoTerminal(): { masterFd: number; slaveFd: number } {
  const flags = fs.constants.O_RDWR | fs.constants.O_NOCTTY;
  const masterFd = fs.openSync("/dev/ptmx", flags);
  const TIOCSPTLCK = 0x40045431n;
  const TIOCGPTN = 0x80045430n;
  const number = Buffer.alloc(4);
  if (libc.ioctl(masterFd, TIOCSPTLCK, number) !== 0) throw new Error("unlocking the terminal failed");
  if (libc.ioctl(masterFd, TIOCGPTN, number) !== 0) throw new Error("the terminal has no number");
  return { masterFd, slaveFd: fs.openSync(`/dev/pts/${number.readUInt32LE(0)}`, flags) };
}

/** Connects to a unix socket and sends one byte with descriptors. */
export function sendDescriptor(path: string, descriptors: readonly number[]): void {
  const socket = libc.socket(1, 1, 0);
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(`${path}\0`)]);
  if (libc.connect(socket, address, address.length) !== 0) throw new Error("connecting failed");
  const data = Buffer.from("x");
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(ffi.getRawPointer(data), 0);
  vector.writeBigUInt64LE(1n, 8);
  const control = Buffer.alloc(16 + descriptors.length * 4);
  control.writeBigUInt64LE(BigInt(control.length), 0);
  control.writeUInt32LE(1, 8);
  control.writeUInt32LE(1, 12);
  descriptors.forEach((fd, index) => {
    control.writeInt32LE(fd, 16 + index * 4);
  });
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(ffi.getRawPointer(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  if (descriptors.length > 0) {
    header.writeBigUInt64LE(ffi.getRawPointer(control), 32);
    header.writeBigUInt64LE(BigInt(control.length), 40);
  }
  if (libc.sendmsg(socket, header, 0) !== 1n) throw new Error("sending failed");
  fs.closeSync(socket);
}
