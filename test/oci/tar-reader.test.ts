import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultImageLimits } from "../../guest/oci/limits.ts";
import type { TarEntry, TarHandler } from "../../guest/oci/tar/entry.ts";
import { TarReader } from "../../guest/oci/tar/reader.ts";
import {
  gnuLongHeader,
  paxHeader,
  paxRecord,
  tarArchive,
  tarEntry,
  tarHeader,
  withChecksum,
} from "../registry/tar-writer.ts";

interface ReadEntry extends TarEntry {
  readonly content: string;
}

/** Reads an archive cut at these offsets. */
function read(archive: Buffer, cuts: readonly number[] = [], limits = defaultImageLimits): ReadEntry[] {
  const entries: ReadEntry[] = [];
  let current: { entry: TarEntry; chunks: Buffer[] } | undefined;
  const handler: TarHandler = {
    beginEntry: (entry) => {
      current = { entry, chunks: [] };
    },
    content: (chunk) => void current?.chunks.push(Buffer.from(chunk)),
    endEntry: () => {
      if (current !== undefined) entries.push({ ...current.entry, content: Buffer.concat(current.chunks).toString() });
    },
  };
  const reader = new TarReader(handler, limits);
  const ends = [...new Set([...cuts.map((cut) => cut % archive.length), archive.length])].sort((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    reader.write(archive.subarray(start, end));
    start = end;
  }
  reader.end();
  return entries;
}

const only = (archive: Buffer): ReadEntry | undefined => read(archive)[0];
const invalid = expect.objectContaining({ kind: "invalid-image" });
const tooMuch = expect.objectContaining({ kind: "limit" });

describe("tar reader", () => {
  const sample = tarArchive([
    { name: "dir/", type: "5", mode: 0o755 },
    { name: "dir/file", content: "x".repeat(1000), uid: 1000, gid: 100, mode: 0o4755 },
    gnuLongHeader("L", `long/${"n".repeat(150)}`),
    { name: "short", content: "long" },
    { name: "link", type: "2", linkName: "dir/file" },
    { name: "pax", content: "12345", pax: { path: "päx", mtime: "1.5" } },
    { name: "empty" },
  ]);

  test("yields entries with their content", () => {
    const entries = read(sample);
    expect(entries.map(({ type, path }) => `${type} ${path.toString().slice(0, 10)}`)).toEqual([
      "directory dir/",
      "file dir/file",
      "file long/nnnnn",
      "symbolic-link link",
      "file päx",
      "file empty",
    ]);
    expect(entries[1]).toMatchObject({ content: "x".repeat(1000), uid: 1000, gid: 100, mode: 0o4755, size: 1000 });
    expect(entries[2]?.path).toHaveLength(155);
    expect(entries[3]?.linkTarget.toString()).toBe("dir/file");
    expect(entries[4]).toMatchObject({ content: "12345", modifiedNs: 1_500_000_000n });
  });

  test("the cut of the chunks doesn't matter", () => {
    const whole = read(sample);
    fc.assert(
      fc.property(fc.array(fc.nat(sample.length), { maxLength: 30 }), (cuts) => {
        expect(read(sample, cuts)).toEqual(whole);
      }),
      { numRuns: 50 },
    );
    expect(read(sample, [...sample.keys()])).toEqual(whole);
  });

  test("any flipped bit in a header is noticed", () => {
    const archive = tarArchive([{ name: "file", content: "content" }]);
    for (let bit = 0; bit < 512 * 8; bit++) {
      if (bit >> 3 >= 148 && bit >> 3 < 156) continue; // the checksum's own digits have several spellings
      const broken = Buffer.from(archive);
      broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => read(broken), `bit ${bit}`).toThrow(invalid);
    }
  });

  test("numbers: base 256, spaces, empty fields", () => {
    expect(only(tarArchive([{ name: "a", uid: 3_000_000_000 }]))?.uid).toBe(3_000_000_000);
    const spaces = tarHeader({ name: "a" });
    spaces.write("   755 \0", 100, "latin1");
    spaces.fill(0, 108, 116);
    expect(only(tarArchive([withChecksum(spaces)]))).toMatchObject({ mode: 0o755, uid: 0 });
    const before1970 = tarHeader({ name: "a" });
    before1970.fill(0xff, 136, 148);
    expect(only(tarArchive([withChecksum(before1970)]))?.modifiedNs).toBe(-1_000_000_000n);
  });

  test("names are bytes", () => {
    const name = Buffer.from([0x61, 0xff, 0xfe, 0x62]);
    expect(only(tarArchive([{ name }]))?.path.equals(name)).toBe(true);
    expect(only(tarArchive([{ name: "x", pax: { path: name } }]))?.path.equals(name)).toBe(true);
  });

  test("the ustar prefix counts for POSIX headers only", () => {
    expect(only(tarArchive([{ name: "b", prefix: "a" }]))?.path.toString()).toBe("a/b");
    expect(only(tarArchive([{ name: "b", prefix: "a", magic: "gnu" }]))?.path.toString()).toBe("b");
    expect(only(tarArchive([{ name: "d/", type: "\0", magic: "none" }]))?.type).toBe("directory");
  });

  test("PAX: an empty value takes an earlier one back; unknown keys are skipped; attributes are bytes", () => {
    const value = Buffer.from([0, 1, 0x0a, 0x3d, 0xff]);
    const records = [
      ["path", "no"],
      ["path", ""],
      ["comment", "x"],
    ] as const;
    const content = Buffer.concat([
      ...records.map(([key, text]) => paxRecord(key, Buffer.from(text))),
      paxRecord("SCHILY.xattr.user.x", value),
    ]);
    const entry = only(tarArchive([{ name: "h", type: "x", content }, { name: "yes" }]));
    expect(entry?.path.toString()).toBe("yes");
    expect(entry?.xattrs.get("user.x")?.equals(value)).toBe(true);
  });

  test("only files have content, whatever the size field of others says", () => {
    const entries = read(
      tarArchive([
        { name: "d/", type: "5", size: 4096 },
        { name: "l", type: "1", linkName: "x", size: 77 },
      ]),
    );
    expect(entries.map(({ size }) => size)).toEqual([0, 0]);
  });

  test.each<[string, Buffer]>([
    ["data behind the end marker", Buffer.concat([tarArchive([{ name: "a" }]), tarArchive([{ name: "b" }])])],
    ["a lone zero block before an entry", Buffer.concat([Buffer.alloc(512), tarArchive([{ name: "a" }])])],
    ["an unknown type", tarArchive([{ name: "a", type: "Z" }])],
    ["a GNU sparse file", tarArchive([{ name: "a", type: "S" }])],
    ["a PAX sparse file", tarArchive([{ name: "a", pax: { "GNU.sparse.major": "1" } }])],
    ["a multi-volume part", tarArchive([{ name: "a", type: "M" }])],
    ["a global header that renames", tarArchive([paxHeader({ path: "/etc/passwd" }, "g"), { name: "a" }])],
    ["a global header that re-owns", tarArchive([paxHeader({ uid: "0" }, "g"), { name: "a" }])],
    ["PAX and GNU names at once", tarArchive([gnuLongHeader("L", "x"), { name: "a", pax: { path: "y" } }])],
    ["two long names", tarArchive([gnuLongHeader("L", "x"), gnuLongHeader("L", "y"), { name: "a" }])],
    ["two PAX headers", tarArchive([paxHeader({ path: "x" }), paxHeader({ path: "y" }), { name: "a" }])],
    ["a PAX path with a NUL", tarArchive([{ name: "a", pax: { path: "a\0b" } }])],
    ["a long name with a NUL inside", tarArchive([gnuLongHeader("L", "a\0b"), { name: "a" }])],
    ["a PAX record that is too long", tarArchive([{ name: "h", type: "x", content: "99 path=x\n" }, { name: "a" }])],
    ["a PAX record without newline", tarArchive([{ name: "h", type: "x", content: "8 path=x" }, { name: "a" }])],
    ["a PAX record of length 0", tarArchive([{ name: "h", type: "x", content: "0 path=x\n" }, { name: "a" }])],
    ["a PAX record without key", tarArchive([{ name: "h", type: "x", content: "5 =x\n" }, { name: "a" }])],
    ["a PAX size that is no number", tarArchive([{ name: "a", pax: { size: "1e3" } }])],
    ["a negative PAX size", tarArchive([{ name: "a", pax: { size: "-1" } }])],
    ["a PAX size beyond exact numbers", tarArchive([{ name: "a", pax: { size: "9999999999999999" } }])],
    ["an extension header at the end", tarArchive([gnuLongHeader("L", "x")])],
    ["an empty extension header", tarArchive([{ name: "h", type: "x" }, { name: "a" }])],
    ["a file that breaks off", tarEntry({ name: "a", content: "x".repeat(600) }).subarray(0, 1000)],
    ["half a header", tarHeader({ name: "a" }).subarray(0, 100)],
    ["a file name with a slash at its end", tarArchive([{ name: "a/" }])],
    ["an unknown magic", tarArchive([withChecksum(Buffer.from(tarHeader({ name: "a" })).fill("X", 257, 262))])],
    ["octal with a digit 9", tarArchive([withChecksum(Buffer.from(tarHeader({ name: "a" })).fill("9", 100, 107))])],
  ])("threat 107: refuses %s", (_name, archive) => {
    expect(() => read(archive)).toThrow(invalid);
  });

  test("threat 108: caps on entries and extension headers", () => {
    const limits = { ...defaultImageLimits, maxLayerEntries: 3, maxExtensionBytes: 100 };
    expect(() => read(tarArchive(Array(4).fill({ name: "a" })), [], limits)).toThrow(tooMuch);
    expect(() => read(tarArchive([gnuLongHeader("L", "n".repeat(200)), { name: "a" }]), [], limits)).toThrow(tooMuch);
  });

  test("random bytes never do more than throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 2048 }), (bytes) => {
        expect(() => read(withChecksum(Buffer.from(bytes)))).toThrow();
      }),
      { numRuns: 200 },
    );
  });
});
