import { PassThrough, Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { drainTimeoutMs, maxDrainBytes, maxPendingInputBytes, maxReadBytes } from "../../guest/runtime/limits.ts";
import { InputStream } from "../../guest/runtime/stdio/input-stream.ts";
import { OutputStream } from "../../guest/runtime/stdio/output-stream.ts";
import { closeDescriptor, writeDescriptor } from "../../guest/sys/descriptor.ts";
import { createPipe, openReadable } from "../../guest/sys/pipe.ts";

const { signal } = new AbortController();
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

async function readAll(stream: OutputStream, length = 4096): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const bytes = await stream.read(length, signal);
    if (bytes.byteLength === 0) return Buffer.concat(pieces);
    pieces.push(bytes);
  }
}

describe("output", () => {
  test("comes in pieces of the wanted length and ends with nothing, for ever", async () => {
    const source = new PassThrough();
    const stream = new OutputStream(source);
    source.end("abcdefgh");
    expect(text(await stream.read(3, signal))).toBe("abc");
    expect(text(await stream.read(100, signal))).toBe("defgh");
    for (let round = 0; round < 3; round++) expect(await stream.read(100, signal)).toHaveLength(0);
    expect(stream.ended).toBe(true);
  });

  test("is not read ahead of the reader", async () => {
    let produced = 0;
    const source = new Readable({
      read() {
        produced += 16_384;
        this.push(Buffer.alloc(16_384));
      },
    });
    const stream = new OutputStream(source);
    await stream.read(1, signal);
    await delay(20);
    expect(produced).toBeLessThan(1024 * 1024);
    stream.close();
  });

  test("is limited a read, whatever is asked for", async () => {
    const source = new PassThrough({ highWaterMark: 4 * maxReadBytes });
    const stream = new OutputStream(source);
    source.write(Buffer.alloc(2 * maxReadBytes));
    await delay(1);
    expect((await stream.read(0xffff_ffff, signal)).byteLength).toBeLessThanOrEqual(maxReadBytes);
    stream.close();
  });

  test("of a failing source ends", async () => {
    const source = new PassThrough();
    const stream = new OutputStream(source);
    const read = stream.read(10, signal);
    source.destroy(new Error("EIO"));
    expect(await read).toHaveLength(0);
  });

  test("a reader that waits when the stream is closed gets the end", async () => {
    const stream = new OutputStream(new PassThrough());
    const read = stream.read(10, signal);
    stream.close();
    expect(await read).toHaveLength(0);
  });

  test("in a pipe that others hold is complete up to what was printed, then ends", async () => {
    const { readFd, writeFd } = createPipe();
    const stream = new OutputStream(openReadable(readFd));
    writeDescriptor(writeFd, Buffer.alloc(60_000, "x"));
    stream.processExited();
    try {
      // Nobody reads while the pipe is let go of; what was in it is kept.
      await delay(700);
      expect(stream.ended).toBe(false);
      expect(await readAll(stream)).toHaveLength(60_000);
    } finally {
      closeDescriptor(writeFd);
    }
  });

  test("in a pipe that others hold is complete, too, for a reader that is faster than the pipe", async () => {
    // As a pipe with 16 pieces in it: each comes a turn after it was asked for, and the end never does.
    let pieces = 16;
    const source = new Readable({
      read() {
        if (pieces-- > 0) setImmediate(() => this.push(Buffer.alloc(65_536)));
      },
    });
    const stream = new OutputStream(source);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      stream.processExited();
      const all = readAll(stream, maxReadBytes);
      vi.advanceTimersByTime(drainTimeoutMs);
      expect(await all).toHaveLength(16 * 65_536);
    } finally {
      vi.useRealTimers();
    }
  });

  test("of a descendant that never stops printing ends all the same", async () => {
    const source = new Readable({
      read() {
        this.push(Buffer.alloc(65_536));
      },
    });
    const stream = new OutputStream(source);
    stream.processExited();
    await delay(700);
    const rest = await readAll(stream, maxReadBytes);
    expect(rest.byteLength).toBeLessThan(maxDrainBytes + 1024 * 1024);
  });
});

describe("input", () => {
  test("is handed over in order and then ends", async () => {
    const target = new PassThrough();
    const stream = new InputStream(target);
    await stream.write(Buffer.from("one,"), signal);
    await stream.write(Buffer.from("two"), signal);
    stream.close();
    stream.close();
    const pieces: Buffer[] = [];
    for await (const piece of target) pieces.push(piece);
    expect(Buffer.concat(pieces).toString()).toBe("one,two");
    await expect(stream.write(Buffer.from("three"), signal)).rejects.toThrow("Cannot get writer");
  });

  test("that nobody takes is limited, and its writers can give up", async () => {
    const stream = new InputStream(new Writable({ write: () => {} }));
    const controller = new AbortController();
    const first = stream.write(Buffer.alloc(maxPendingInputBytes), controller.signal);
    await expect(stream.write(Buffer.alloc(1), signal)).rejects.toMatchObject({ code: "resource-exhausted" });
    controller.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
  });

  test("of an ended process is a broken pipe", async () => {
    const broken = Object.assign(new Error("write EPIPE"), { code: "EPIPE", syscall: "write" });
    const stream = new InputStream(new Writable({ write: (_bytes, _encoding, done) => done(broken) }));
    await expect(stream.write(Buffer.from("x"), signal)).rejects.toThrow("Broken pipe (os error 32)");
  });
});
