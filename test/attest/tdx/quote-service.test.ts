import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { createTdxAttester } from "../../../guest/attest/tdx/attester.ts";
import { parseTdxQuote } from "../../../guest/attest/tdx/quote.ts";
import { createServiceQuoteSource } from "../../../guest/attest/tdx/quote-service.ts";
import { maxResponseBytes, parseQuoteResponse } from "../../../guest/attest/tdx/quote-service-message.ts";
import { readQuoteServicePort } from "../../../guest/attest/tdx/quote-service-port.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import { libc } from "../../../guest/sys/libc.ts";
import { lastError, SystemError } from "../../../guest/sys/system-error.ts";
import { getTdReport } from "../../../guest/sys/tdx-guest.ts";
import { connectVsock, openSocketStream, type SocketStream } from "../../../guest/sys/vsock.ts";
import { createFakeQuote } from "./fake-quote.ts";

const forever = new AbortController().signal;
const noPause = async (): Promise<void> => {};

/** A device as the TDX module answers: the data in its place, nothing else that is looked at. */
const device = {
  getTdReport: (reportData: Uint8Array): Uint8Array => {
    const report = new Uint8Array(1024);
    report[0] = 0x81;
    report.set(reportData, 128);
    return report;
  },
};

/** An answer of the service. `size` and the like override what is right. */
function answer(
  quote: Uint8Array,
  wrong: { major?: number; type?: number; size?: number; error?: number; quoteBytes?: number } = {},
): Buffer {
  const message = Buffer.alloc(24 + quote.length);
  message.writeUInt16LE(wrong.major ?? 1, 0);
  message.writeUInt16LE(1, 2);
  message.writeUInt32LE(wrong.type ?? 1, 4);
  message.writeUInt32LE(wrong.size ?? message.length, 8);
  message.writeUInt32LE(wrong.error ?? 0, 12);
  message.writeUInt32LE(wrong.quoteBytes ?? quote.length, 20);
  message.set(quote, 24);
  return message;
}

function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

/** A service on a unix socket, and how to connect to it with the stream that vsock sockets use. */
async function startService(serve: (request: Buffer, socket: Socket) => void) {
  const directory = mkdtempSync(join(tmpdir(), "podkeep-qgs-"));
  const path = join(directory, "qgs.sock");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const pieces: Buffer[] = [];
    socket.on("error", () => {});
    socket.on("data", (piece: Buffer) => {
      pieces.push(piece);
      const bytes = Buffer.concat(pieces);
      if (bytes.length >= 4 && bytes.length === 4 + bytes.readUInt32BE()) serve(bytes.subarray(4), socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(directory, { recursive: true });
  });
  const connections = { count: 0 };
  const connect = (timeoutMs = 20_000): SocketStream => {
    connections.count += 1;
    return openSocketStream(connectUnix(path), timeoutMs);
  };
  return { connect, connections, quotes: createServiceQuoteSource({ device, connect, pause: noPause }) };
}

function connectUnix(path: string): number {
  const address = Buffer.alloc(2 + path.length + 1);
  address.writeUInt16LE(1, 0);
  address.write(path, 2);
  const fd = libc.socket(1, 1 | 0o2000000, 0);
  if (libc.connect(fd, address, address.length) !== 0) throw lastError("connect", path);
  return fd;
}

/** The report data in a request of the service. */
const reportDataOf = (request: Buffer): Buffer => request.subarray(24 + 128, 24 + 128 + 64);

test("a quote by TDREPORT and service, through the same attester", async () => {
  const requests: Buffer[] = [];
  const { quotes } = await startService((request, socket) => {
    requests.push(request);
    socket.write(framed(answer(createFakeQuote({ reportData: reportDataOf(request) }))));
  });
  const attester = createTdxAttester({
    quotes,
    measurements: { read: async () => undefined, write: async () => {} },
    device,
    registers: undefined,
    readEventLog: async () => undefined,
  });
  const evidence = JSON.parse(await attester.getEvidence(Buffer.from("nonce"), forever));
  const { body } = parseTdxQuote(Buffer.from(evidence.quote, "base64"));
  expect(Buffer.from(body.reportData).toString().replace(/\0+$/, "")).toBe("nonce");
  // Header 1.0, GET_QUOTE_REQ, 1048 bytes, no error; a report of 1024 bytes, no ids.
  expect(requests[0]?.subarray(0, 24).toString("hex")).toBe("010000000000000018040000000000000004000000000000");
  expect(requests[0]).toHaveLength(1048);
});

test("an answer in many small pieces is one answer", async () => {
  const quote = createFakeQuote();
  const { quotes } = await startService((_, socket) => {
    socket.setNoDelay();
    for (const byte of framed(answer(quote))) socket.write(Buffer.of(byte));
  });
  expect(Buffer.from(await quotes.getQuote(Buffer.alloc(64), forever))).toEqual(quote);
});

describe("a service that is broken or hostile", () => {
  const quote = createFakeQuote();
  test.each<[string, Buffer]>([
    ["impossible length", Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ["impossible length", framed(Buffer.alloc(15))],
    ["impossible length", framed(Buffer.alloc(maxResponseBytes + 1))],
    ["another version", framed(answer(quote, { major: 2 }))],
    ["another type", framed(answer(quote, { type: 3 }))],
    ["another size", framed(answer(quote, { size: 24 }))],
    ["don't add up", framed(answer(quote, { quoteBytes: quote.length - 1 }))],
    ["don't add up", framed(answer(quote, { quoteBytes: 0xffff_ffff }))],
    ["empty", framed(answer(Buffer.alloc(0)))],
    ["refused with error 0x12001", framed(answer(quote, { error: 0x12001 }))],
  ])("%s: an error at the first attempt", async (message, bytes) => {
    const { quotes, connections } = await startService((_, socket) => socket.end(bytes));
    const call = quotes.getQuote(Buffer.alloc(64), forever);
    await expect(call).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining(message) });
    expect(connections.count).toBe(1);
  });

  test("one that hangs up is asked again, a limited number of times", async () => {
    let hangups = 2;
    const { quotes, connections } = await startService((_, socket) => {
      if (hangups-- > 0) socket.end(framed(answer(quote)).subarray(0, 50));
      else socket.end(framed(answer(quote)));
    });
    expect(Buffer.from(await quotes.getQuote(Buffer.alloc(64), forever))).toEqual(quote);
    expect(connections.count).toBe(3);
    hangups = 100;
    await expect(quotes.getQuote(Buffer.alloc(64), forever)).rejects.toThrow("hung up");
    expect(connections.count).toBe(7);
  });

  test("one that never answers ends the read, not the process", async () => {
    const { connect } = await startService(() => {});
    const quotes = createServiceQuoteSource({ device, connect: () => connect(20), pause: noPause });
    await expect(quotes.getQuote(Buffer.alloc(64), forever)).rejects.toThrow("EAGAIN");
  });

  test("nobody listens: an error that says so; a caller that goes away is not kept", async () => {
    const connect = (): never => {
      throw new SystemError(constants.errno.ECONNRESET, "connect");
    };
    const quotes = createServiceQuoteSource({ device, connect, pause: noPause });
    await expect(quotes.getQuote(Buffer.alloc(64), forever)).rejects.toThrow(
      "no quote from the host's quote service: ECONNRESET",
    );
    const stop = AbortSignal.abort(new Error("stop"));
    await expect(quotes.getQuote(Buffer.alloc(64), stop)).rejects.toThrow("stop");
  });

  test("one that answers byte by byte doesn't hold a caller who has gone away, and its connection is closed", async () => {
    const stop = new AbortController();
    const bytes = framed(answer(quote));
    let [sent, closed] = [0, false];
    const dripping = {
      write: async () => {},
      read: async () => {
        if (sent === 10) stop.abort(new Error("gone away"));
        return bytes.subarray(sent, ++sent);
      },
      close: () => {
        closed = true;
      },
    };
    const quotes = createServiceQuoteSource({ device, connect: () => dripping, pause: noPause });
    await expect(quotes.getQuote(Buffer.alloc(64), stop.signal)).rejects.toThrow("gone away");
    expect([sent, closed]).toEqual([11, true]);
  });

  test("whatever bytes come, there is a quote or a GuestError", () => {
    const good = answer(quote);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
        const bytes = Buffer.from(good);
        bytes[at] = value;
        try {
          expect(parseQuoteResponse(bytes.subarray(0, length)).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(GuestError);
        }
      }),
    );
  });
});

test("I5: without sysfs MRCONFIGID is read from the TDREPORT, and the quote service isn't asked", async () => {
  const { quotes, connections } = await startService(() => {});
  const digest = Buffer.alloc(48, 0x33);
  const attester = createTdxAttester({
    quotes,
    measurements: { read: async () => undefined, write: async () => {} },
    device: {
      getTdReport: (reportData) => {
        const report = device.getTdReport(reportData);
        report.set(digest, 576);
        return report;
      },
    },
    registers: undefined,
    readEventLog: async () => undefined,
  });
  expect(await attester.bindInitData(digest)).toBe("bound");
  await expect(attester.bindInitData(Buffer.alloc(48, 1))).rejects.toMatchObject({ code: "failed-precondition" });
  await expect(attester.expectNoInitData()).rejects.toThrow("has given no initdata");
  expect(connections.count).toBe(0);
});

test("a device that fails, or answers with other data, ends it before anything is sent", async () => {
  const { connect, connections } = await startService(() => {});
  const failing = {
    getTdReport: (): never => {
      throw new SystemError(constants.errno.EIO, "ioctl", "/dev/tdx_guest");
    },
  };
  const stale = { getTdReport: () => new Uint8Array(1024) };
  const short = { getTdReport: () => new Uint8Array(192) };
  const get = (broken: typeof device) =>
    createServiceQuoteSource({ device: broken, connect, pause: noPause }).getQuote(Buffer.alloc(64, 1), forever);
  await expect(get(failing)).rejects.toThrow("/dev/tdx_guest made no report: EIO");
  await expect(get(stale)).rejects.toThrow("over other data");
  await expect(get(short)).rejects.toThrow("over other data");
  expect(connections.count).toBe(0);
});

test.skipIf(existsSync("/dev/tdx_guest"))("system calls without the hardware fail with an errno", () => {
  expect(() => getTdReport(new Uint8Array(64))).toThrow(/ENOENT/);
  // Port 4294967294 of context 1 (this machine): nobody is there, whether or not the loopback module is loaded.
  expect(() => connectVsock({ contextId: 1, port: 0xffff_fffe, timeoutMs: 1000 })).toThrow(SystemError);
});

test("the port comes from the image's tdx-attest.conf", () => {
  const directory = mkdtempSync(join(tmpdir(), "podkeep-qgs-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "tdx-attest.conf");
  expect(readQuoteServicePort(file)).toBe(4050);
  writeFileSync(file, "# comment\n port = 6000\n");
  expect(readQuoteServicePort(file)).toBe(6000);
  for (const wrong of ["port=", "port=0", "port=-1", "port=4294967295", "port=12x"]) {
    writeFileSync(file, `${wrong}\n`);
    expect(() => readQuoteServicePort(file)).toThrow("not a vsock port");
  }
});
