import { closeDescriptor } from "./descriptor.ts";
import { libc, linux } from "./libc.ts";
import { lastError } from "./system-error.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCGIFFLAGS = 0x8913n;
const SIOCSIFFLAGS = 0x8914n;
const IFF_UP = 1;

/**
 * Brings up the loopback interface of the network namespace that this thread is in; a new namespace has it down, and nothing can
 * listen on 127.0.0.1 there.
 *
 * `struct ifreq` (netdevice(7)): 16 bytes of name, then a 16-bit number of flags, 40 bytes in all.
 *
 * @throws SystemError
 */
export function bringLoopbackUp(): void {
  const fd = libc.socket(AF_INET, SOCK_DGRAM | linux.O_CLOEXEC, 0);
  if (fd < 0) throw lastError("socket");
  try {
    const request = Buffer.alloc(40);
    request.write("lo", "latin1");
    if (libc.ioctl(fd, SIOCGIFFLAGS, request) !== 0) throw lastError("ioctl SIOCGIFFLAGS");
    request.writeUInt16LE(request.readUInt16LE(16) | IFF_UP, 16);
    if (libc.ioctl(fd, SIOCSIFFLAGS, request) !== 0) throw lastError("ioctl SIOCSIFFLAGS");
  } finally {
    closeDescriptor(fd);
  }
}
