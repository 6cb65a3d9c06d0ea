import ffi from "node:ffi";

/**
 * The C library of this process, for what Node has no function for. Internal to sys/: everything else uses the typed
 * functions beside this file.
 *
 * Addresses of bytes are declared as `pointer`: Buffers, strings (copied, with a NUL at the end) and null may be given.
 * 64-bit integers are bigint. A call takes about 200 ns and blocks the thread, so only calls that don't wait belong here.
 */
export const libc = ffi.dlopen(null, {
  accept4: { arguments: ["i32", "pointer", "pointer", "i32"], return: "i32" },
  bind: { arguments: ["i32", "pointer", "u32"], return: "i32" },
  close_range: { arguments: ["u32", "u32", "i32"], return: "i32" },
  connect: { arguments: ["i32", "pointer", "u32"], return: "i32" },
  fchmodat: { arguments: ["i32", "pointer", "u32", "i32"], return: "i32" },
  fchownat: { arguments: ["i32", "pointer", "u32", "u32", "i32"], return: "i32" },
  fcntl: { arguments: ["i32", "i32", "i64"], return: "i32" },
  getsockname: { arguments: ["i32", "pointer", "pointer"], return: "i32" },
  ioctl: { arguments: ["i32", "u64", "pointer"], return: "i32" },
  kill: { arguments: ["i32", "i32"], return: "i32" },
  lgetxattr: { arguments: ["pointer", "pointer", "pointer", "u64"], return: "i64" },
  linkat: { arguments: ["i32", "pointer", "i32", "pointer", "i32"], return: "i32" },
  listen: { arguments: ["i32", "i32"], return: "i32" },
  llistxattr: { arguments: ["pointer", "pointer", "u64"], return: "i64" },
  lsetxattr: { arguments: ["pointer", "pointer", "pointer", "u64", "i32"], return: "i32" },
  mkdirat: { arguments: ["i32", "pointer", "u32"], return: "i32" },
  mknodat: { arguments: ["i32", "pointer", "u32", "u64"], return: "i32" },
  mount: { arguments: ["pointer", "pointer", "pointer", "u64", "pointer"], return: "i32" },
  mount_setattr: { arguments: ["i32", "pointer", "u32", "pointer", "u64"], return: "i32" },
  pipe2: { arguments: ["pointer", "i32"], return: "i32" },
  prctl: { arguments: ["i32", "u64", "u64", "u64", "u64"], return: "i32" },
  readlinkat: { arguments: ["i32", "pointer", "pointer", "u64"], return: "i64" },
  recvmsg: { arguments: ["i32", "pointer", "i32"], return: "i64" },
  renameat2: { arguments: ["i32", "pointer", "i32", "pointer", "u32"], return: "i32" },
  sendto: { arguments: ["i32", "pointer", "u64", "i32", "pointer", "u32"], return: "i64" },
  sethostname: { arguments: ["pointer", "u64"], return: "i32" },
  setns: { arguments: ["i32", "i32"], return: "i32" },
  setsockopt: { arguments: ["i32", "i32", "i32", "pointer", "u32"], return: "i32" },
  settimeofday: { arguments: ["pointer", "pointer"], return: "i32" },
  socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
  statx: { arguments: ["i32", "pointer", "i32", "u32", "pointer"], return: "i32" },
  strerror: { arguments: ["i32"], return: "pointer" },
  symlinkat: { arguments: ["pointer", "i32", "pointer"], return: "i32" },
  syscall: { arguments: ["i64", "i64", "pointer", "pointer", "i64"], return: "i64" },
  umount2: { arguments: ["pointer", "i32"], return: "i32" },
  unlinkat: { arguments: ["i32", "pointer", "i32"], return: "i32" },
  unshare: { arguments: ["i32"], return: "i32" },
  utimensat: { arguments: ["i32", "pointer", "pointer", "i32"], return: "i32" },
  write: { arguments: ["i32", "pointer", "u64"], return: "i64" },
  waitpid: { arguments: ["i32", "pointer", "i32"], return: "i32" },
  __errno_location: { arguments: [], return: "pointer" },
}).functions;

/** errno lives at a fixed place of the thread; asking for the place after a failure could already change it. */
const errnoAddress = libc.__errno_location();

/** errno of the call that failed last. Only valid directly after the failure. */
export function readErrno(): number {
  return ffi.getInt32(errnoAddress, 0);
}

/** The C library's sentence for an errno, such as "No such file or directory". */
export function errnoText(errno: number): string {
  return ffi.toString(libc.strerror(errno)) ?? `error ${errno}`;
}

/** The address of a buffer's bytes, for structures that hold pointers. The caller keeps the buffer alive until the call is over. */
export function addressOf(bytes: Uint8Array): bigint {
  return ffi.getRawPointer(bytes);
}

/** Numbers of Linux that are the same on x86-64 and arm64. Those that differ (O_DIRECTORY, O_NOFOLLOW) come from Node's constants. */
export const linux = {
  AT_FDCWD: -100,
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_REMOVEDIR: 0x200,
  AT_SYMLINK_FOLLOW: 0x400,
  AT_EMPTY_PATH: 0x1000,
  AT_RECURSIVE: 0x8000,
  RENAME_NOREPLACE: 1,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
} as const;
