import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import {
  fileVersion,
  listDirectory,
  makeDirectories,
  pathExists,
  readFileBounded,
  readFileIfPresent,
  removeFile,
  removeTreeSafely,
  writeFileAtomically,
  writeKernelFile,
} from "../../guest/sys/file.ts";
import { filesystemStatistics } from "../../guest/sys/filesystem-statistics.ts";
import { mount, unmount } from "../../guest/sys/mount.ts";
import { isErrno, SystemError } from "../../guest/sys/system-error.ts";
import { isRoot } from "./root.ts";
import { failureOf, temporaryDirectory } from "./support.ts";

test("a file is read up to a limit, and not a byte further", () => {
  const file = path.join(temporaryDirectory(), "file");
  fs.writeFileSync(file, "0123456789");
  expect(readFileBounded(file, 10).toString()).toBe("0123456789");
  expect(failureOf(() => readFileBounded(file, 9)).message).toBe("file is over 9 bytes");
  expect(failureOf(() => readFileBounded("/dev/zero", 100_000)).message).toBe("file is over 100000 bytes");
  expect(readFileBounded("/dev/null", 0)).toHaveLength(0);
  expect(readFileBounded("/proc/self/status", 100_000).toString()).toMatch(/^Name:/);
});

test("a missing file is undefined, any other failure is told", () => {
  const directory = temporaryDirectory();
  expect(readFileIfPresent(path.join(directory, "none"), 1)).toBeUndefined();
  expect(failureOf(() => readFileIfPresent(directory, 1)).message).toBe("EISDIR: Is a directory");
});

test("a file's version changes with each write and with its replacement, and not by itself", () => {
  const file = path.join(temporaryDirectory(), "file");
  expect(fileVersion(file)).toBeUndefined();
  const versions = ["a", "bc"].map((text) => {
    fs.writeFileSync(file, text);
    return fileVersion(file);
  });
  // The same size and times as before, but another file.
  const { atime, mtime } = fs.statSync(file);
  writeFileAtomically(file, "de");
  fs.utimesSync(file, atime, mtime);
  versions.push(fileVersion(file));
  expect(new Set(versions).size).toBe(3);
  expect(fileVersion(file)).toBe(versions[2]);
});

test("failures carry call and path for the log, and the peer sees neither", () => {
  const error = failureOf(() => readFileBounded("/no/such/place", 1));
  expect(error).toBeInstanceOf(SystemError);
  if (!(error instanceof SystemError)) return;
  expect(error.message).toBe("ENOENT: No such file or directory");
  expect(error.fields).toEqual({ call: "open", path: "/no/such/place" });
  expect(error.code).toBe("internal");
  expect(isErrno(error, "EACCES", "ENOENT")).toBe(true);
  expect(isErrno(error, "EACCES")).toBe(false);
  expect(isErrno(new Error("ENOENT"), "ENOENT")).toBe(false);
  expect(new SystemError(4095, "ioctl").message).toBe("errno 4095: Unknown error 4095");
});

test("a file is replaced as a whole, with its mode, and a failure leaves nothing", () => {
  const directory = temporaryDirectory();
  const file = path.join(directory, "file");
  const before = process.umask(0o077);
  try {
    writeFileAtomically(file, "one", 0o644);
    writeFileAtomically(file, Buffer.from("two"), 0o640);
  } finally {
    process.umask(before);
  }
  expect(fs.readFileSync(file, "utf8")).toBe("two");
  expect(fs.statSync(file).mode & 0o777).toBe(0o640);
  fs.mkdirSync(path.join(directory, "taken/by"), { recursive: true });
  expect(
    isErrno(
      failureOf(() => writeFileAtomically(path.join(directory, "taken"), "x")),
      "EISDIR",
    ),
  ).toBe(true);
  expect(listDirectory(directory).sort()).toEqual(["file", "taken"]);
});

test("replacing doesn't write through a link", () => {
  const directory = temporaryDirectory();
  fs.writeFileSync(path.join(directory, "canary"), "alive");
  fs.symlinkSync("canary", path.join(directory, "link"));
  writeFileAtomically(path.join(directory, "link"), "new");
  expect(fs.readFileSync(path.join(directory, "canary"), "utf8")).toBe("alive");
});

test("knobs of the kernel are written, never made", () => {
  const directory = temporaryDirectory();
  expect(failureOf(() => writeKernelFile(path.join(directory, "knob"), "1")).message).toMatch(/^ENOENT/);
  expect(listDirectory(directory)).toEqual([]);
});

test("small things", () => {
  const directory = temporaryDirectory();
  makeDirectories(path.join(directory, "a/b"));
  makeDirectories(path.join(directory, "a/b"));
  fs.symlinkSync("nowhere", path.join(directory, "dangling"));
  expect(pathExists(path.join(directory, "dangling"))).toBe(true);
  expect(pathExists(path.join(directory, "none"))).toBe(false);
  removeFile(path.join(directory, "dangling"));
  removeFile(path.join(directory, "dangling"));
  expect(failureOf(() => removeFile(path.join(directory, "a"))).message).toMatch(/^EISDIR/);
});

test.skipIf(!isRoot)("threat 35: a tree is removed, a mounted volume in it is not", () => {
  const directory = temporaryDirectory();
  const volume = path.join(directory, "tree/volume");
  fs.mkdirSync(volume, { recursive: true });
  fs.symlinkSync(directory, path.join(directory, "tree/up"));
  mount({ source: "tmpfs", target: volume, type: "tmpfs" });
  fs.writeFileSync(path.join(volume, "precious"), "data");
  expect(
    isErrno(
      failureOf(() => removeTreeSafely(path.join(directory, "tree"))),
      "EXDEV",
    ),
  ).toBe(true);
  expect(fs.readdirSync(volume)).toEqual(["precious"]);
  unmount(volume);
  removeTreeSafely(path.join(directory, "tree"));
  removeTreeSafely(path.join(directory, "tree"));
  removeTreeSafely(path.join(directory, "no/such/parent"));
  expect(listDirectory(directory)).toEqual([]);
});

test.skipIf(!isRoot)("statistics of a file system are those of the file system that is meant", () => {
  const target = temporaryDirectory();
  mount({ source: "tmpfs", target, type: "tmpfs", data: "size=1m,nr_inodes=100" });
  fs.writeFileSync(path.join(target, "file"), Buffer.alloc(65536));
  const fd = fs.openSync(target, "r");
  try {
    expect(filesystemStatistics(fd)).toMatchObject({
      type: 0x01021994n,
      totalBytes: 1_048_576n,
      availableBytes: 983_040n,
      freeBytes: 983_040n,
      totalInodes: 100n,
      freeInodes: 98n,
    });
  } finally {
    fs.closeSync(fd);
    unmount(target);
  }
});
