import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openEventLogFiles, readEvidenceLog } from "../../guest/attest/eventlog/files.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "podkeep-eventlog-"));
});
afterEach(() => rmSync(root, { recursive: true }));

test("entries are written at their place, and what a crash left behind it is cut off", () => {
  const files = openEventLogFiles(join(root, "log"));
  expect(files.logSize()).toBe(0);
  files.writeLog(0, Buffer.from("first"));
  files.writeLog(5, Buffer.from("half an ent"));
  files.writeLog(5, Buffer.from("second"));
  expect(files.logSize()).toBe(11);
  expect(readFileSync(join(root, "log", "eventlog"), "utf8")).toBe("firstsecond");
});

test("the write-ahead record is replaced as a whole and removed; nobody but root may look", () => {
  const files = openEventLogFiles(join(root, "log"));
  expect(files.readPending()).toBeUndefined();
  files.writePending(Buffer.from("one"));
  files.writePending(Buffer.from("two"));
  expect(files.readPending()?.toString()).toBe("two");
  expect(statSync(join(root, "log", ".wal_event_entry")).mode & 0o777).toBe(0o600);
  files.removePending();
  files.removePending();
  expect(files.readPending()).toBeUndefined();
});

test("the log for evidence needs neither file", () => {
  expect(readEvidenceLog(join(root, "CCEL"), root)).toBeUndefined();
  writeFileSync(join(root, "eventlog"), "entry");
  expect(
    Buffer.from(readEvidenceLog(join(root, "CCEL"), root) ?? [])
      .subarray(69)
      .toString("latin1"),
  ).toBe("entry\xff\xff\xff\xff\xff\xff\xff\xff");
});
