import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Frame,
  FrameError,
  FrameReader,
  frameHeaderLength,
  type OversizedFrame,
  writeFrameHeader,
} from "../../../guest/rpc/ttrpc/frame.ts";
import { maxFrameLength } from "../../../guest/rpc/ttrpc/limits.ts";

interface FrameParts {
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
  readonly data: Uint8Array;
}

const anyFrame: fc.Arbitrary<FrameParts> = fc.record({
  streamId: fc.nat(0xffff_ffff),
  type: fc.nat(255),
  flags: fc.nat(255),
  data: fc.uint8Array({ maxLength: 300 }),
});

function encodeFrame({ streamId, type, flags, data }: FrameParts): Buffer {
  const frame = Buffer.concat([Buffer.alloc(frameHeaderLength), data]);
  writeFrameHeader(frame, streamId, type, flags);
  return frame;
}

/** Feeds bytes cut at the given places. */
function readAll(bytes: Buffer, cuts: readonly number[] = []): (Frame | OversizedFrame)[] {
  const reader = new FrameReader();
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).flatMap((end, i) => [...reader.read(bytes.subarray(places[i], end))]);
}

test("frames survive encoding and any cutting into chunks", () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.nat(3000), { maxLength: 20 }), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(encodeFrame));
      const expected = frames.map((frame) => ({ kind: "frame", ...frame, data: Buffer.from(frame.data) }));
      expect(readAll(bytes, cuts)).toEqual(expected);
    }),
  );
});

test("frames come out when every byte comes alone", () => {
  const bytes = Buffer.concat(
    [
      { streamId: 1, type: 1, flags: 0, data: Buffer.from("abc") },
      { streamId: 3, type: 2, flags: 5, data: Buffer.alloc(0) },
    ].map(encodeFrame),
  );
  const cuts = [...bytes.keys()];
  expect(readAll(bytes, cuts)).toMatchObject([
    { streamId: 1, data: Buffer.from("abc") },
    { streamId: 3, flags: 5 },
  ]);
});

test("a frame of exactly 4 MiB is legal", () => {
  const [frame] = readAll(
    encodeFrame({ streamId: 1, type: 1, flags: 0, data: new Uint8Array(maxFrameLength) }),
    [70_000],
  );
  expect(frame).toMatchObject({ kind: "frame", streamId: 1 });
});

describe("threat 3: limits hold before memory is allocated", () => {
  test("data beyond 4 MiB is passed over, and the frame after it is read", () => {
    const length = maxFrameLength + 1;
    const oversized = encodeFrame({ streamId: 5, type: 1, flags: 0, data: new Uint8Array(length) });
    const next = encodeFrame({ streamId: 7, type: 1, flags: 0, data: Buffer.from("next") });
    const bytes = Buffer.concat([oversized, next]);
    for (const cuts of [[], [3], [10], [11, 50_000], [length], [length + 9, length + 12]]) {
      expect(readAll(bytes, cuts)).toMatchObject([
        { kind: "oversized", streamId: 5, type: 1, length },
        { kind: "frame", streamId: 7, data: Buffer.from("next") },
      ]);
    }
  });

  test("an oversized frame is reported with its header and nothing of it is kept", () => {
    const reader = new FrameReader();
    const header = Buffer.from("00500000" + "00000001" + "0100", "hex");
    expect([...reader.read(header)]).toHaveLength(1);
    for (let i = 0; i < 80; i++) [...reader.read(Buffer.alloc(65_536))];
    expect(reader.bufferedBytes).toBe(0);
    expect(reader.withinFrame).toBe(false);
  });

  test("a header that promises 4 MiB costs no more than what has arrived", () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 200 }, () => new FrameReader());
    const header = Buffer.from("00400000" + "00000001" + "0100" + "ff", "hex");
    for (const reader of readers) [...reader.read(header)];
    expect(readers.every(({ bufferedBytes }) => bufferedBytes === 11)).toBe(true);
    // 200 times 4 MiB would be 800 MiB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 1024 * 1024);
  });

  test.each(["ffffffff000000010100", "0100000000000001 0100", "474554202f20485454502f31"])("%s is no frame", (hex) => {
    expect(() => readAll(Buffer.from(hex.replaceAll(" ", ""), "hex"))).toThrow(FrameError);
  });
});

test("random bytes give frames or a FrameError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.array(fc.nat(500)), (bytes, cuts) => {
      try {
        for (const frame of readAll(Buffer.from(bytes), cuts)) expect(["frame", "oversized"]).toContain(frame.kind);
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError);
      }
    }),
    { numRuns: 1000 },
  );
});
