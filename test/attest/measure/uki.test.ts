import { execFileSync } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeExtraArchive, joinArchives } from "../../../guest/attest/measure/initrd-archive.ts";
import { authenticodeDigest, parsePeSections } from "../../../guest/attest/measure/pe-image.ts";
import { computeUkiRegisters } from "../../../guest/attest/measure/uki.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import { type BuiltSection, buildPe, checksumOffset } from "./pe-builder.ts";

const kernel = buildPe([{ name: ".text", content: "kernel" }]);
const sections: readonly BuiltSection[] = [
  { name: ".text", content: "stub" },
  { name: ".sdmagic", content: "#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####" },
  { name: ".osrel", content: "ID=test\n" },
  { name: ".cmdline", content: "console=ttyS0 quiet\0" },
  { name: ".uname", content: "6.12" },
  { name: ".sbat", content: "sbat,1\n" },
  { name: ".linux", content: kernel },
  { name: ".initrd", content: "an initrd" },
];

function sha256(...data: readonly (Uint8Array | string)[]): Buffer {
  const hash = createHash("sha256");
  for (const piece of data) hash.update(piece);
  return hash.digest();
}

function extended(...digests: readonly Uint8Array[]): string {
  return hexOf(digests.reduce<Uint8Array>((value, digest) => sha256(value, digest), Buffer.alloc(32)));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function without(name: string, replacement: readonly BuiltSection[] = []): Buffer {
  return buildPe([...sections.filter((section) => section.name !== name), ...replacement]);
}

test("PCR 11 is the sections' names and contents in the stub's order, then the phases", () => {
  const order = [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"];
  const digests = order.flatMap((name) => [
    sha256(`${name}\0`),
    sha256(sections.find((section) => section.name === name)?.content ?? ""),
  ]);
  expect(computeUkiRegisters(buildPe(sections)).pcr11).toBe(extended(...digests));
  expect(computeUkiRegisters(buildPe(sections.toReversed())).pcr11).toBe(extended(...digests));
  const phases = ["enter-initrd", "leave-initrd"];
  expect(computeUkiRegisters(buildPe(sections), phases).pcr11).toBe(
    extended(...digests, sha256("enter-initrd"), sha256("leave-initrd")),
  );
});

test("PCR 4 is the firmware's action, the separator, the UKI and the kernel; a signature changes none of them", () => {
  const uki = buildPe(sections);
  const action = sha256("Calling EFI Application from Boot Option");
  const expected = extended(action, sha256(Buffer.alloc(4)), authenticodeDigest(uki), authenticodeDigest(kernel));
  expect(computeUkiRegisters(uki).pcr4).toBe(expected);
  expect(computeUkiRegisters(buildPe(sections, Buffer.alloc(1000, 0x30))).pcr4).toBe(expected);
});

test("PCR 9 is the command line as UTF-16 and the initrd with the archive of os-release", () => {
  const initrd = joinArchives([Buffer.from("an initrd"), encodeExtraArchive("os-release", Buffer.from("ID=test\n"))]);
  const expected = extended(sha256(Buffer.from("console=ttyS0 quiet\0", "utf16le")), sha256(initrd));
  expect(computeUkiRegisters(buildPe(sections)).pcr9).toBe(expected);
  const untidy = without(".cmdline", [{ name: ".cmdline", content: " console=ttyS0\tquiet\n" }]);
  expect(computeUkiRegisters(untidy).pcr9).toBe(expected);
});

test("RTMR 2 has in SHA-384 what PCR 11 and PCR 9 have apart, without the phases of user space", () => {
  const sha384 = (...data: readonly (Uint8Array | string)[]): Buffer =>
    data.reduce<Hash>((hash, piece) => hash.update(piece), createHash("sha384")).digest();
  const uki = buildPe([
    ...sections.slice(0, 2),
    { name: ".linux", content: kernel },
    { name: ".initrd", content: "i" },
  ]);
  const measured = [".linux\0", kernel, ".initrd\0", "i", Buffer.from("\0", "utf16le"), "i"];
  const expected = measured.reduce<Uint8Array>((value, data) => sha384(value, sha384(data)), Buffer.alloc(48));
  expect(computeUkiRegisters(uki, ["ready"]).rtmr2).toBe(hexOf(expected));
});

test("PCR 3 holds only the separator and PCR 12 nothing", () => {
  const { pcr3, pcr12 } = computeUkiRegisters(buildPe(sections));
  expect(pcr3).toBe("3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969"); // spec/podvm-image.md 3
  expect(pcr12).toBe("00".repeat(32));
});

test("what another version of the stub measures isn't guessed", () => {
  const other = { name: ".sdmagic", content: "#### LoaderInfo: systemd-stub 2570.1 ####" };
  expect(computeUkiRegisters(without(".sdmagic", [other]))).toMatchObject({
    pcr4: undefined,
    pcr9: undefined,
    rtmr2: undefined,
    stubVersion: "2570.1",
  });
  expect(computeUkiRegisters(without(".sdmagic"))).toMatchObject({
    pcr4: undefined,
    pcr9: undefined,
    rtmr2: undefined,
    stubVersion: undefined,
  });
});

test("the archive for the initrd is byte by byte what the stub makes", () => {
  // The digest of what systemd-stub 257 handed to a kernel, taken from PCR 9 of a boot, had exactly this form.
  const archive = Buffer.from(encodeExtraArchive("os-release", Buffer.from("A=1\n"))).toString("latin1");
  expect(archive).toBe(
    `070701000000010000416d000000000000000000000001${"0".repeat(48)}0000000700000000.extra\0\0\0\0` +
      `070701000000020000812400000000000000000000000100000000000000040000000000000000000000000000000000000012${"0".repeat(8)}` +
      `.extra/os-release\0A=1\n` +
      `07070100000000000000000000000000000000000000010000000000000000${"0".repeat(32)}0000000B00000000TRAILER!!!\0\0\0\0`,
  );
});

test("a section's content is as long as in memory", () => {
  const [text] = parsePeSections(buildPe([{ name: ".text", content: "abc", virtualSize: 6 }]));
  expect(text).toEqual({ name: ".text", content: Buffer.from("abc\0\0\0") });
});

test("the digest of an image leaves out checksum and signature, and nothing else", () => {
  const image = buildPe(sections);
  const digest = hexOf(authenticodeDigest(image));
  const changedAt = (at: number): string => {
    const changed = Buffer.from(image);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    return hexOf(authenticodeDigest(changed));
  };
  expect(changedAt(checksumOffset)).toBe(digest);
  expect(changedAt(image.length - 1)).not.toBe(digest);
  expect(changedAt(8)).not.toBe(digest);
  expect(hexOf(authenticodeDigest(Buffer.concat([image, Buffer.of(0)])))).not.toBe(digest);
});

test.each([
  ["two sections of one name", buildPe([...sections, { name: ".linux", content: kernel }]), "several sections .linux"],
  ["no kernel", without(".linux"), "no section .linux"],
  ["several profiles", buildPe([...sections, { name: ".profile", content: "" }]), "decided at boot"],
  ["a kernel that is no image", without(".linux", [{ name: ".linux", content: "vmlinuz" }]), "MZ"],
  ["no image", Buffer.from("#!/bin/sh"), "MZ"],
  ["half an image", buildPe(sections).subarray(0, 0x500), "cut off"],
  ["an endless section", buildPe([{ name: ".linux", content: "", virtualSize: 0xffff_ffff }]), "impossible section"],
])("a UKI with %s is refused", (_name, file, reason) => {
  expect(() => computeUkiRegisters(file)).toThrow(reason);
});

test("whatever bytes the headers have, the parser gives sections or an error of ours", () => {
  const image = buildPe(sections);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(0x3ff), fc.nat(255)), { maxLength: 6 }), (changes) => {
      const changed = Buffer.from(image);
      for (const [at, value] of changes) changed.writeUInt8(value, at);
      try {
        authenticodeDigest(changed);
        parsePeSections(changed);
      } catch (error) {
        if (!(error instanceof GuestError)) throw error;
      }
    }),
  );
});

const measureProgram = "/usr/lib/systemd/systemd-measure";
const toolsTree = new URL("../../../build/tools", import.meta.url).pathname;
// Older ones than Debian 13's don't know all sections.
const root = [toolsTree, ""].find(
  (tree) => existsSync(tree + measureProgram) && readFileSync(tree + measureProgram).includes("--sbat"),
);
if (root === undefined) console.warn("no systemd-measure of Debian 13 (package systemd-ukify): not compared with it");

test.skipIf(root === undefined)("PCR 11 is what systemd-measure calculates", () => {
  const folder = mkdtempSync(join(tmpdir(), "podkeep-uki-"));
  try {
    const options = [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"].map((name) => {
      const file = join(folder, name);
      writeFileSync(file, sections.find((section) => section.name === name)?.content ?? "");
      return `-${name.replace(".", "-")}=${file}`;
    });
    const args = ["calculate", "--bank=sha256", "--phase=", "--phase=enter-initrd", ...options];
    const libraries = ["lib/x86_64-linux-gnu/systemd", "lib/x86_64-linux-gnu"]
      .map((path) => `${root}/usr/${path}`)
      .join(":");
    const loader = `${root}/lib64/ld-linux-x86-64.so.2`;
    const output = execFileSync(loader, ["--library-path", libraries, root + measureProgram, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect([...output.matchAll(/^11:sha256=([0-9a-f]{64})$/gm)].map(([, value]) => value)).toEqual([
      computeUkiRegisters(buildPe(sections)).pcr11,
      computeUkiRegisters(buildPe(sections), ["enter-initrd"]).pcr11,
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
