import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeBase64 } from "../../guest/core/base64.ts";
import { carrierStreamBytes, encodeCarrier, readCarrier } from "../../guest/initdata/carrier.ts";
import { digestOf } from "../../guest/initdata/digest.ts";
import { decodeAnnotation, encodeAnnotation, formOf, unwrapInitdata } from "../../guest/initdata/encodings.ts";
import { gunzip, gzip } from "../../guest/initdata/gzip.ts";
import { bytesOf, hex, kataAnnotation, minimalAnnotation, minimalDocument } from "./documents.ts";

const document = bytesOf(minimalDocument);

describe("scenario I1: the annotation form", () => {
  test("of the published document decodes to its bytes", () => {
    expect(hex(decodeAnnotation(minimalAnnotation))).toBe(hex(document));
  });

  test("of the Kata runtime's tests has the published digest", () => {
    const bytes = decodeAnnotation(kataAnnotation);
    expect(bytes).toHaveLength(113);
    expect(hex(digestOf("sha256", bytes))).toBe("c6694bb7a29d6f37ec72a15582e004b9f3142159682db8509a304407419a49e5");
  });

  test("is one line and the same at every encoding", () => {
    expect(encodeAnnotation(document)).toBe(encodeAnnotation(document));
    expect(encodeAnnotation(document)).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(hex(decodeAnnotation(encodeAnnotation(document)))).toBe(hex(document));
  });

  test("may have line breaks, as user data and `base64` make them", () => {
    const lines = minimalAnnotation.replace(/.{76}/g, "$&\r\n");
    expect(hex(decodeAnnotation(`${lines}\n`))).toBe(hex(document));
  });

  test.each([
    ["a space", minimalAnnotation.replace(/.{76}/, "$& ")],
    ["the url-safe alphabet", minimalAnnotation.replaceAll("+", "-").replaceAll("/", "_")],
    ["no padding", kataAnnotation.replace(/=+$/, "")],
    ["junk behind the padding", `${kataAnnotation}AAAA`],
    ["junk", `${minimalAnnotation.slice(0, 40)}*${minimalAnnotation.slice(41)}`],
    ["bits behind the end", kataAnnotation.replace(/A==$/, "B==")],
  ])("is refused with %s", (_name, text) => {
    expect(() => decodeAnnotation(text)).toThrow(/^initdata: base64: not standard base64 with padding; make it with/);
  });

  test("is refused when empty or too long", () => {
    expect(() => decodeAnnotation("")).toThrow("initdata: base64: empty");
    expect(() => decodeAnnotation("A".repeat(1024 * 1024 + 1))).toThrow("initdata: base64: longer than");
  });
});

describe("threat 86: gzip", () => {
  test.each([1, 6, 9])("of level %i gives the same document", (level) => {
    expect(hex(gunzip(gzipSync(document, { level })))).toBe(hex(document));
  });

  test("headers with name, comment, extra field and checksum are skipped", () => {
    const plain = gzip(document);
    const extra = [2, 0, 7, 7];
    const name = [...bytesOf("initdata.toml"), 0];
    const header = [...plain.slice(0, 3), 2 | 4 | 8 | 16, ...plain.slice(4, 10), ...extra, ...name, ...name, 0, 0];
    expect(hex(gunzip(Uint8Array.of(...header, ...plain.slice(10))))).toBe(hex(document));
  });

  const stream = gzip(document);
  const flipped = Uint8Array.from(stream);
  flipped[stream.length - 6] = (flipped[stream.length - 6] ?? 0) ^ 1;
  test.each([
    ["two members", Buffer.concat([stream, stream]), "data after the first member"],
    ["trailing garbage", Buffer.concat([stream, bytesOf("garbage")]), "data after the first member"],
    ["trailing zero bytes", Buffer.concat([stream, new Uint8Array(8)]), "data after the first member"],
    ["a truncated body", stream.subarray(0, 40), "damaged"],
    ["a truncated trailer", stream.subarray(0, -1), "truncated"],
    ["a wrong checksum", flipped, "checksum mismatch"],
    ["reserved flags", Uint8Array.of(...stream.slice(0, 3), 0x20, ...stream.slice(4)), "reserved flags"],
    ["a name without end", Uint8Array.of(0x1f, 0x8b, 8, 8, ...new Array<number>(20).fill(65)), "truncated"],
    ["plain text", bytesOf("algorithm = 'sha256' and more"), "not a gzip stream"],
    ["a stream that is too long", Buffer.concat([stream, new Uint8Array(768 * 1024)]), "longer than 786432 bytes"],
  ])("with %s is refused", (_name, bytes, problem) => {
    expect(() => gunzip(bytes)).toThrow(`initdata: gzip: ${problem}`);
  });

  test("a bomb is stopped at the limit", () => {
    const bomb = gzipSync(new Uint8Array(64 * 1024 * 1024), { level: 9 });
    const before = process.memoryUsage().rss;
    expect(() => gunzip(bomb)).toThrow("initdata: gzip: decompresses to more than 8388608 bytes");
    expect(process.memoryUsage().rss - before).toBeLessThan(48 * 1024 * 1024);
  });

  test("no damage gets through: what decompresses is what was compressed", () => {
    fc.assert(
      fc.property(fc.nat(stream.length - 1), fc.nat(7), (index, bit) => {
        const damaged = Uint8Array.from(stream);
        damaged[index] = (damaged[index] ?? 0) ^ (1 << bit);
        let content: Uint8Array;
        try {
          content = gunzip(damaged);
        } catch (error) {
          expect(String(error)).toContain("initdata: gzip: ");
          return;
        }
        expect(hex(content)).toBe(hex(document));
      }),
    );
  });
});

describe("the block device", () => {
  test("is read as Kata writes it", () => {
    const stream = Buffer.from(minimalAnnotation, "base64");
    const image = new Uint8Array(512);
    image.set(bytesOf("initdata"));
    image.set([0x20, 0x01], 8);
    image.set(stream, 16);
    expect(hex(digestOf("sha256", image))).toBe("9511fb1e00694926be252a2b86740089ba5bfc38f62650c064825387f464bc79");
    expect(hex(readCarrier(image))).toBe(hex(document));
    expect(hex(encodeCarrier(document))).toBe(hex(image));
  });

  const header = (length: bigint, magic = "initdata") => {
    const bytes = new Uint8Array(16);
    bytes.set(bytesOf(magic));
    new DataView(bytes.buffer).setBigUint64(8, length, true);
    return bytes;
  };

  test.each([
    ["length 0", header(0n), "is empty"],
    ["length 2^63", header(1n << 63n), "announces more than 786432 bytes"],
    ["the largest length", header((1n << 64n) - 1n), "announces more than 786432 bytes"],
    ["a big-endian length", header(0x2001000000000000n), "announces more than 786432 bytes"],
    ["a length past the device", header(497n), "is shorter than it announces"],
    ["another magic", header(10n, "INITDATA"), "does not start with the magic"],
    ["15 bytes", header(10n).subarray(0, 15), "does not start with the magic"],
  ])("threat 86: %s is refused before anything is allocated", (_name, start, problem) => {
    expect(() => carrierStreamBytes(start, 512)).toThrow(`initdata: block device: ${problem}`);
  });
});

test("scenario I1: every form is recognised and gives the same bytes", () => {
  const forms = {
    toml: document,
    annotation: bytesOf(`${encodeAnnotation(document)}\n`),
    gzip: gzip(document),
    "block-device": encodeCarrier(document),
  } as const;
  for (const [form, bytes] of Object.entries(forms)) {
    expect(formOf(bytes)).toBe(form);
    expect(hex(unwrapInitdata(bytes))).toBe(hex(document));
  }
  expect(formOf(bytesOf("initdata_like = 1"))).toBe("toml");
  expect(encodeBase64(gzip(document)).startsWith("H4sI")).toBe(true);
});
