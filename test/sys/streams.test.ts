import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { ConsoleSocket } from "../../guest/sys/console-socket.ts";
import { libc } from "../../guest/sys/libc.ts";
import { notifyServiceManager } from "../../guest/sys/notify.ts";
import { createPipe, openReadable, openWritable } from "../../guest/sys/pipe.ts";
import { findProgram, runProgram } from "../../guest/sys/program.ts";
import { openTerminal, setWindowSize } from "../../guest/sys/terminal.ts";
import { listenUnix, removeStaleSocket } from "../../guest/sys/unix-socket.ts";
import { openPseudoTerminal, sendDescriptor } from "./descriptor-passing.ts";
import { eventually, failureOf, temporaryDirectory } from "./support.ts";

describe("pipes", () => {
  test("what goes in comes out, in order, and ends", async () => {
    const { readFd, writeFd } = createPipe();
    const writer = openWritable(writeFd);
    const collected = openReadable(readFd).toArray();
    for (let round = 0; round < 100; round++) writer.write(Buffer.alloc(10_000, round));
    writer.end();
    const all = Buffer.concat(await collected);
    expect(all).toHaveLength(1_000_000);
    expect(all[999_999]).toBe(99);
  });

  test("a writer waits for a reader: nothing is read that nobody asked for", async () => {
    const { readFd, writeFd } = createPipe();
    const reader = openReadable(readFd);
    const writer = runProgram(findProgram("head"), ["-c", "10000000", "/dev/zero"], { stdoutFd: writeFd });
    fs.closeSync(writeFd);
    await eventually(() => reader.readableLength > 0 || reader.read(0) !== null);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(reader.readableLength).toBeLessThan(1_000_000);
    let total = 0;
    for await (const piece of reader) total += piece.length;
    expect(total).toBe(10_000_000);
    expect((await writer).exitCode).toBe(0);
  });

  test("a size beyond the kernel's limit is taken as that limit", () => {
    const F_GETPIPE_SZ = 1032;
    const pipe = createPipe({ sizeBytes: 1 << 30 });
    expect(libc.fcntl(pipe.writeFd, F_GETPIPE_SZ, 0n)).toBeGreaterThanOrEqual(1 << 16);
    const wished = createPipe({ sizeBytes: 1 << 18 });
    expect(libc.fcntl(wished.writeFd, F_GETPIPE_SZ, 0n)).toBe(1 << 18);
    for (const { readFd, writeFd } of [pipe, wished]) {
      fs.closeSync(readFd);
      fs.closeSync(writeFd);
    }
  });
});

describe("terminals", () => {
  test("a program in it sees a terminal of the size that was set, and its end is the end of the output", async () => {
    const { masterFd, slaveFd } = openPseudoTerminal();
    setWindowSize(masterFd, 33, 101);
    const terminal = openTerminal(masterFd);
    const collected = terminal.output.toArray();
    const result = runProgram(findProgram("sh"), ["-c", "stty size; read line; echo got $line"], {
      stdin: { fd: slaveFd },
      stdoutFd: slaveFd,
    });
    fs.closeSync(slaveFd);
    terminal.input.write("hello\n");
    expect((await result).exitCode).toBe(0);
    expect(Buffer.concat(await collected).toString()).toMatch(/33 101\r\n(hello\r\n)?got hello\r\n/);
    terminal.close();
  });

  test("a lot of output arrives whole", async () => {
    const { masterFd, slaveFd } = openPseudoTerminal();
    const terminal = openTerminal(masterFd);
    const result = runProgram(findProgram("seq"), ["1", "100000"], { stdoutFd: slaveFd });
    fs.closeSync(slaveFd);
    const sink = new PassThrough({ highWaterMark: 1024 });
    terminal.output.pipe(sink);
    const text = Buffer.concat(await sink.toArray()).toString();
    expect(text.trimEnd().split("\r\n")).toHaveLength(100_000);
    expect(text.endsWith("100000\r\n")).toBe(true);
    expect((await result).exitCode).toBe(0);
    terminal.close();
  });

  test("what is no terminal has no size", () => {
    const fd = fs.openSync("/dev/null", "r");
    expect(failureOf(() => setWindowSize(fd, 1, 1)).message).toMatch(/^ENOTTY/);
    expect(() => setWindowSize(fd, -1, 1)).toThrow(RangeError);
    expect(() => setWindowSize(fd, 1, 65_536)).toThrow(RangeError);
    fs.closeSync(fd);
  });
});

describe("console socket", () => {
  test("the terminal that was sent arrives, and works", async () => {
    const console_ = new ConsoleSocket(path.join(temporaryDirectory(), "console.sock"));
    const { masterFd, slaveFd } = openPseudoTerminal();
    sendDescriptor(console_.path, [masterFd]);
    fs.closeSync(masterFd);
    const received = console_.receiveTerminal();
    console_.close();
    const terminal = openTerminal(received);
    fs.writeSync(slaveFd, "through\n");
    fs.closeSync(slaveFd);
    expect(Buffer.concat(await terminal.output.toArray()).toString()).toBe("through\r\n");
    expect(fs.existsSync(console_.path)).toBe(false);
    terminal.close();
  });

  test("nobody connected, nothing sent, too much sent", () => {
    using console_ = new ConsoleSocket(path.join(temporaryDirectory(), "console.sock"));
    const message = "the OCI runtime has handed over no terminal";
    expect(failureOf(() => console_.receiveTerminal()).message).toBe(message);
    sendDescriptor(console_.path, []);
    expect(failureOf(() => console_.receiveTerminal()).message).toBe(message);
    const before = fs.readdirSync("/proc/self/fd").length;
    const fds = [fs.openSync("/dev/null", "r"), fs.openSync("/dev/zero", "r"), fs.openSync("/dev/full", "r")];
    sendDescriptor(console_.path, fds);
    for (const fd of fds) fs.closeSync(fd);
    const first = console_.receiveTerminal();
    expect(fs.readlinkSync(`/proc/self/fd/${first}`)).toBe("/dev/null");
    fs.closeSync(first);
    expect(fs.readdirSync("/proc/self/fd").length).toBe(before);
  });
});

describe("unix sockets", () => {
  test("only the owner may connect, from the first moment", async () => {
    const file = path.join(temporaryDirectory(), "socket");
    const fd = listenUnix(file);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    const server = net.createServer((socket) => socket.end("hello"));
    await new Promise<void>((resolve) => server.listen({ fd }, resolve));
    const heard = await net.connect(file).toArray();
    expect(Buffer.concat(heard).toString()).toBe("hello");
    expect(failureOf(() => listenUnix(file)).message).toMatch(/^another process listens on/);
    await new Promise((resolve) => server.close(resolve));
  });

  test("a stale socket is replaced, another file never", () => {
    const directory = temporaryDirectory();
    const file = path.join(directory, "socket");
    fs.closeSync(listenUnix(file));
    expect(fs.existsSync(file)).toBe(true);
    fs.closeSync(listenUnix(file, { mode: 0o660 }));
    expect(fs.statSync(file).mode & 0o777).toBe(0o660);
    fs.writeFileSync(path.join(directory, "file"), "keep");
    expect(failureOf(() => listenUnix(path.join(directory, "file"))).message).toMatch(/is not a socket$/);
    expect(fs.readFileSync(path.join(directory, "file"), "utf8")).toBe("keep");
    removeStaleSocket(path.join(directory, "none"));
  });

  test("a path that doesn't fit, or has a NUL", () => {
    expect(failureOf(() => listenUnix(`/tmp/${"x".repeat(110)}`)).message).toMatch(/1 to 107 bytes/);
    expect(failureOf(() => listenUnix("/tmp/a\0b")).message).toMatch(/no NUL/);
  });

  test("the service manager hears that we are ready", async () => {
    notifyServiceManager(undefined, "READY=1");
    const name = `@podkeep-test-${process.pid}`;
    const receiver = datagramReceiver(name);
    notifyServiceManager(name, "READY=1\nSTATUS=fine");
    const heard = Buffer.alloc(100);
    const length = fs.readSync(receiver, heard);
    fs.closeSync(receiver);
    expect(heard.toString("utf8", 0, length)).toBe("READY=1\nSTATUS=fine");
    expect(failureOf(() => notifyServiceManager(name, "READY=1")).message).toMatch(/^ECONNREFUSED/);
  });
});

/** A datagram socket in the abstract namespace. */
function datagramReceiver(name: string): number {
  const fd = libc.socket(1, 2 | 0o2000000, 0);
  const address = Buffer.concat([Buffer.from([1, 0, 0]), Buffer.from(name.slice(1))]);
  if (libc.bind(fd, address, address.length) !== 0) throw new Error("bind failed");
  return fd;
}
