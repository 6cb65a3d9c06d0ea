import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { GuestError } from "../../../guest/core/errors.ts";
import { readNv } from "../../../guest/sys/tpm/nv.ts";
import { readPcrs } from "../../../guest/sys/tpm/pcr.ts";
import { parsePublicArea } from "../../../guest/sys/tpm/public-key.ts";
import { parseQuoteStatement, parseRsaSignature, quote } from "../../../guest/sys/tpm/quote.ts";
import { nameResponseCode } from "../../../guest/sys/tpm/response-code.ts";
import { encodeCommand, Tpm } from "../../../guest/sys/tpm/tpm.ts";
import { connectTpmSocket, openTpmDevice } from "../../../guest/sys/tpm/transport.ts";
import { sized, uint16, uint32 } from "../../../guest/sys/tpm/wire.ts";
import { getRandom } from "./random.ts";

/** A TPM that gives these answers, whatever it is asked. */
function scripted(...answers: readonly Uint8Array[]): Tpm {
  const left = [...answers];
  return new Tpm({ exchange: async () => left.shift() ?? Buffer.of(), close: async () => {} });
}

function answer(parameters: Uint8Array, code = 0): Buffer {
  return Buffer.concat([uint16(0x8001), uint32(10 + parameters.length), uint32(code), parameters]);
}

test("a command without authorisation has no session, one with it has the empty password", () => {
  expect(encodeCommand({ name: "", code: 0x17b, parameters: [uint16(32)] }).toString("hex")).toBe(
    "80010000000c0000017b0020",
  );
  const extend = encodeCommand({ name: "", code: 0x182, handles: [8], authorized: true, parameters: [] });
  expect(extend.toString("hex")).toBe("80020000001b0000018200000008" + "00000009400000090000000000");
});

test.each([
  [0x18b, "HANDLE", "handle 1"],
  [0x1d5, "SIZE", "parameter 1"],
  [0x98e, "AUTH_FAIL", "session 1"],
  [0x14a, "NV_UNINITIALIZED", undefined],
  [0x921, "LOCKOUT", undefined],
  [0x101, "FAILURE", undefined],
  [0x7ff_0000, "0x7ff0000", undefined],
])("response code 0x%s is named", (code, name, part) => {
  expect(nameResponseCode(code)).toEqual({ name, part });
});

describe("bad answers of a TPM", () => {
  test.each([
    ["nothing", Buffer.of()],
    ["half a header", Buffer.of(0x80, 0x01, 0, 0)],
    ["a length that is too long", Buffer.concat([uint16(0x8001), uint32(4000), uint32(0)])],
    ["a length that is too short", Buffer.concat([answer(sized(Buffer.alloc(8))), Buffer.of(1)])],
    ["another tag", Buffer.concat([uint16(0x8002), uint32(10), uint32(0)])],
    ["too few bytes", answer(sized(Buffer.alloc(7)))],
    ["more bytes than it says", answer(Buffer.concat([sized(Buffer.alloc(8)), Buffer.of(0)]))],
    ["a size beyond its end", answer(Buffer.concat([uint16(9), Buffer.alloc(8)]))],
  ])("%s", async (_name, bytes) => {
    await expect(getRandom(scripted(bytes), 8)).rejects.toMatchObject({ code: "data-loss" });
  });

  test("a PCR of another length, another bank, or a list that is not what was selected", async () => {
    const selection = Buffer.from("00000001000b03000100", "hex");
    const counter = uint32(1);
    const cases = [
      [counter, selection, uint32(1), sized(Buffer.alloc(20))],
      [counter, Buffer.from("00000001000403000100", "hex"), uint32(1), sized(Buffer.alloc(20))],
      [counter, selection, uint32(2), sized(Buffer.alloc(32)), sized(Buffer.alloc(32))],
    ];
    for (const parts of cases) {
      await expect(readPcrs(scripted(answer(Buffer.concat(parts))), [8])).rejects.toMatchObject({ code: "data-loss" });
    }
    const none = answer(Buffer.concat([counter, Buffer.from("00000001000b03000000", "hex"), uint32(0)]));
    await expect(readPcrs(scripted(none), [8])).rejects.toThrow("no PCR 8 in the SHA-256 bank");
  });

  test("PCRs that change between two answers are read again, a bounded number of times", async () => {
    const chunk = (counter: number, bitmap: string, count: number): Buffer =>
      answer(
        Buffer.concat([
          uint32(counter),
          Buffer.from(`00000001000b03${bitmap}`, "hex"),
          uint32(count),
          ...Array.from({ length: count }, () => sized(Buffer.alloc(32, counter))),
        ]),
      );
    const pcrs = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    const settled = scripted(
      chunk(1, "ff0000", 8),
      chunk(2, "000100", 1),
      chunk(2, "ff0000", 8),
      chunk(2, "000100", 1),
    );
    expect((await readPcrs(settled, pcrs)).every((value) => value[0] === 2)).toBe(true);
    const restless = scripted(
      ...Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? chunk(at, "ff0000", 8) : chunk(at, "000100", 1))),
    );
    await expect(readPcrs(restless, pcrs)).rejects.toThrow("change faster");
  });

  test("an NV index that says it is huge is not read", async () => {
    const area = [uint32(5), uint16(0xb), uint32(0), uint16(0), uint16(0xffff)];
    const answered = answer(Buffer.concat([sized(Buffer.concat(area)), sized(Buffer.alloc(34))]));
    await expect(readNv(scripted(answered), 5)).rejects.toMatchObject({ code: "resource-exhausted" });
  });

  test("a TPM that is busy is asked again", async () => {
    const tpm = scripted(answer(Buffer.of(), 0x922), answer(Buffer.of(), 0x90a), answer(sized(Buffer.alloc(4, 9))));
    expect(await getRandom(tpm, 4)).toEqual(Buffer.alloc(4, 9));
  });

  test("a failure does not harm the next command", async () => {
    const tpm = scripted(answer(Buffer.of(), 0x101), answer(sized(Buffer.alloc(4, 9))));
    await expect(getRandom(tpm, 4)).rejects.toThrow("TPM_RC_FAILURE");
    expect(await getRandom(tpm, 4)).toEqual(Buffer.alloc(4, 9));
  });

  test("whatever bytes come, parsers throw errors of ours", () => {
    const parsers = [parseQuoteStatement, parseRsaSignature, parsePublicArea];
    fc.assert(
      fc.property(fc.constantFrom(...parsers), fc.uint8Array({ maxLength: 200 }), (parse, bytes) => {
        expect(() => parse(bytes)).toThrow(GuestError);
      }),
    );
  });

  test("a signature of another scheme is refused", async () => {
    const parameters = Buffer.concat([sized(Buffer.of(1)), uint16(0x0018), uint16(0xb), sized(Buffer.alloc(32))]);
    const framed = Buffer.concat([uint32(parameters.length), parameters, Buffer.alloc(5)]);
    const bytes = Buffer.concat([uint16(0x8002), uint32(10 + framed.length), uint32(0), framed]);
    await expect(quote(scripted(bytes), 1, Buffer.of(), [0])).rejects.toThrow("is not RSASSA");
  });
});

describe("transports", () => {
  const cleanUps: (() => void)[] = [];
  afterEach(() => {
    for (const cleanUp of cleanUps.splice(0)) cleanUp();
  });

  /** A server that answers every command by these pieces, and then ends the connection when told to. */
  async function serve(pieces: readonly Uint8Array[], thenEnd = false): Promise<string> {
    const directory = mkdtempSync(join(tmpdir(), "podkeep-tpm-"));
    const path = join(directory, "socket");
    const server: Server = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", async () => {
        for (const piece of pieces) {
          socket.write(piece);
          await new Promise(setImmediate);
        }
        if (thenEnd) socket.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    cleanUps.push(() => {
      server.close();
      rmSync(directory, { recursive: true, force: true });
    });
    return path;
  }

  test("an answer that comes in pieces is put together", async () => {
    const bytes = answer(sized(Buffer.alloc(16, 3)));
    const path = await serve([bytes.subarray(0, 3), bytes.subarray(3, 11), bytes.subarray(11)]);
    const tpm = new Tpm(await connectTpmSocket({ path }));
    expect(await getRandom(tpm, 16)).toEqual(Buffer.alloc(16, 3));
    expect(await getRandom(tpm, 16)).toEqual(Buffer.alloc(16, 3));
    await tpm.close();
  });

  test("a device that answers nothing is an error, not an empty answer", async () => {
    const directory = mkdtempSync(join(tmpdir(), "podkeep-tpm-"));
    cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, "device");
    writeFileSync(path, "");
    const tpm = new Tpm(await openTpmDevice(path));
    await expect(getRandom(tpm, 16)).rejects.toMatchObject({ code: "data-loss" });
    expect(readFileSync(path)).toEqual(encodeCommand({ name: "", code: 0x17b, parameters: [uint16(16)] }));
    await tpm.close();
    await expect(getRandom(tpm, 16)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("an answer that is cut off or endless, and a socket that isn't there, are errors", async () => {
    const cut = new Tpm(await connectTpmSocket({ path: await serve([uint16(0x8001)], true) }));
    await expect(getRandom(cut, 16)).rejects.toMatchObject({ code: "unavailable" });
    const long = Buffer.concat([uint16(0x8001), uint32(0xffff_ffff), Buffer.alloc(5000)]);
    const endless = new Tpm(await connectTpmSocket({ path: await serve([long]) }));
    await expect(getRandom(endless, 16)).rejects.toMatchObject({ code: "unavailable" });
    await expect(connectTpmSocket({ path: "/nonexistent/tpm" })).rejects.toMatchObject({ code: "unavailable" });
    await expect(openTpmDevice("/nonexistent/tpm")).rejects.toMatchObject({ code: "unavailable" });
  });
});
