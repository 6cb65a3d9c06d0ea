import fs from "node:fs";
import { libc } from "./libc.ts";
import { asSystemCall, lastError } from "./system-error.ts";

/**
 * Mixes bytes into the kernel's random pool, without credit: whoever sends them knows them, so they may add to the pool's
 * secrets but never count as such.
 *
 * @throws SystemError
 */
export function addEntropy(bytes: Uint8Array): void {
  asSystemCall(() => fs.writeFileSync("/dev/urandom", bytes, { flag: "r+" }));
}

/** Makes the kernel's generator take a new key from the pool now. @throws SystemError EPERM without CAP_SYS_ADMIN */
export function reseedRandomGenerator(): void {
  const RNDRESEEDCRNG = 0x5207n;
  const fd = asSystemCall(() => fs.openSync("/dev/urandom", fs.constants.O_RDWR));
  try {
    if (libc.ioctl(fd, RNDRESEEDCRNG, null) !== 0) throw lastError("ioctl RNDRESEEDCRNG");
  } finally {
    fs.closeSync(fd);
  }
}
