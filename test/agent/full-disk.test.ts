import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getuid } from "node:process";
import { describe, expect, test } from "vitest";
import { FileReceiver } from "../../guest/agent/file-receiver.ts";
import type { CopyFileRequest } from "../../guest/rpc/messages/agent.ts";
import { createGuestPaths } from "../../guest/runtime/guest-paths.ts";
import { mount, unmount } from "../../guest/sys/mount.ts";

const isRoot = getuid?.() === 0;
if (!isRoot) console.warn("test/agent: a full disk needs root");

describe.skipIf(!isRoot)("a full disk", () => {
  test("CopyFile says so, keeps what was there, and goes on when there is room again", () => {
    const root = mkdtempSync(join(tmpdir(), "pk-"));
    mount({ source: "tmpfs", target: root, type: "tmpfs", data: "size=1m" });
    try {
      const paths = createGuestPaths({ base: root, networkNamespace: undefined });
      mkdirSync(paths.sharedContainers, { recursive: true });
      mkdirSync(paths.uploads);
      const receiver = new FileReceiver(paths, 64 * 1024 * 1024, () => 0);
      const receive = (name: string, data: Buffer): void =>
        receiver.receive(fileRequest(join(paths.sharedContainers, name), data));
      receive("settings", Buffer.from("old"));
      const free = statfsSync(root).bfree;
      expect(() => receive("settings", randomBytes(2 * 1024 * 1024))).toThrow("ENOSPC: No space left on device");
      expect(readFileSync(join(paths.sharedContainers, "settings"), "utf8")).toBe("old");
      expect(readdirSync(paths.uploads)).toEqual([]);
      expect(statfsSync(root).bfree).toBe(free);
      receive("settings", Buffer.from("new"));
      expect(readFileSync(join(paths.sharedContainers, "settings"), "utf8")).toBe("new");
    } finally {
      unmount(root, { lazy: true });
      rmSync(root, { recursive: true });
    }
  });
});

function fileRequest(path: string, data: Buffer): CopyFileRequest {
  const owner = { file_mode: 0o100644, dir_mode: 0o750, uid: 0, gid: 0 };
  return { path, file_size: BigInt(data.byteLength), ...owner, offset: 0n, data };
}
