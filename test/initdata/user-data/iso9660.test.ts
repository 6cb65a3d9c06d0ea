import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ReadDisk, readIsoFile, readIsoLabel } from "../../../guest/initdata/user-data/iso9660.ts";
import { UserDataError } from "../../../guest/initdata/user-data/user-data-error.ts";
import { createIsoImage, isoOffsets } from "./iso-image.ts";

const document = "#cloud-config\nwrite_files: []\n";
const files = { "meta-data": "local-hostname: x\n", "user-data": document, "vendor-data": "" };
const sectorBytes = 2048;

/** A disk that remembers how much was read of it at a time. */
function diskOf(image: Uint8Array): { readonly read: ReadDisk; readonly counts: number[] } {
  const counts: number[] = [];
  const read: ReadDisk = (offset, count) => {
    counts.push(count);
    return image.subarray(offset, offset + count);
  };
  return { read, counts };
}

function userDataOf(image: Uint8Array, maxBytes = 1024): string {
  return Buffer.from(readIsoFile(diskOf(image).read, "user-data", maxBytes)).toString();
}

describe.each(["joliet", "rock-ridge"] as const)("a disk with names of %s", (naming) => {
  test("has a label, and the file", () => {
    const image = createIsoImage({ naming, files });
    expect(readIsoLabel(diskOf(image).read)).toBe("cidata");
    expect(userDataOf(image)).toBe(document);
  });

  test("without the file, or with a longer one than allowed, is refused", () => {
    expect(() => userDataOf(createIsoImage({ naming, files: { "user-data2": "x" } }))).toThrow("has no file user-data");
    expect(() => userDataOf(createIsoImage({ naming, files }), 10)).toThrow("longer than 10 bytes");
  });

  test("threat 90: broken at any byte, it is read in bounds or refused, and never anything else", () => {
    const image = createIsoImage({ naming, files });
    const place = fc.integer({ min: 16 * sectorBytes, max: 20 * sectorBytes - 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 8 }), (changes) => {
        const hostile = Buffer.from(image);
        for (const [at, value] of changes) hostile.writeUInt8(value, at);
        const disk = diskOf(hostile);
        try {
          expect(readIsoFile(disk.read, "user-data", 1024).length).toBeLessThanOrEqual(1024);
        } catch (error) {
          expect(error).toBeInstanceOf(UserDataError);
        }
        expect(Math.max(...disk.counts)).toBeLessThanOrEqual(64 * 1024);
      }),
      { numRuns: 300 },
    );
  });
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["zeros", Buffer.alloc(64 * 1024)],
  ["a short one", createIsoImage({ files }).subarray(0, 16 * sectorBytes + 100)],
])("%s has no label", (_name, image) => {
  expect(readIsoLabel(diskOf(image).read)).toBeUndefined();
  expect(() => userDataOf(image)).toThrow("no sound ISO 9660 image");
});

describe("threat 90: a hostile disk", () => {
  const edited = (edit: (image: Buffer) => void): Buffer => {
    const image = createIsoImage({ files });
    edit(image);
    return image;
  };
  /** The third record: after the directory itself and its parent, `meta-data` comes, then `user-data`. */
  const meta = isoOffsets.directory + 68;
  test.each([
    [
      "a directory of 4 GiB",
      edited((image) => image.writeUInt32LE(0xffff_ffff, isoOffsets.rootExtent + 10)),
      "too many",
    ],
    [
      "a directory behind its end",
      edited((image) => image.writeUInt32LE(0xffff_ffff, isoOffsets.rootExtent + 2)),
      "ends too",
    ],
    ["a record that is too short", edited((image) => image.writeUInt8(7, meta)), "a short record"],
    ["a name longer than its record", edited((image) => image.writeUInt8(255, meta + 32)), "a short record"],
    [
      "a file that is a directory",
      edited((image) => image.writeUInt8(2, meta + image.readUInt8(meta) + 25)),
      "no plain",
    ],
    [
      "a file in several parts",
      edited((image) => image.writeUInt8(0x80, meta + image.readUInt8(meta) + 25)),
      "no plain",
    ],
    [
      "a file behind its end",
      edited((image) => image.writeUInt32LE(9999, meta + image.readUInt8(meta) + 2)),
      "ends too",
    ],
  ])("with %s is refused", (_name, image, problem) => {
    expect(() => userDataOf(image)).toThrow(problem);
  });
});

const makers = [
  ["genisoimage", []],
  ["xorriso", ["-as", "mkisofs"]],
] as const;
for (const [program, words] of makers) {
  const isThere = spawnSync(program, ["--version"]).error === undefined;
  if (!isThere) console.warn(`${program} is not installed: its disks are not read here`);
  test.skipIf(!isThere).each(["-joliet", "-rock"])(`a disk of ${program} %s is read`, (naming) => {
    const directory = mkdtempSync(join(tmpdir(), "podkeep-iso-"));
    try {
      const iso = join(directory, "cidata.iso");
      writeFileSync(join(directory, "user-data"), document);
      const args = [...words, "-quiet", "-volid", "cidata", naming, "-output", iso, join(directory, "user-data")];
      expect(spawnSync(program, args).status).toBe(0);
      const image = readFileSync(iso);
      expect(readIsoLabel(diskOf(image).read)).toBe("cidata");
      expect(userDataOf(image)).toBe(document);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
}
