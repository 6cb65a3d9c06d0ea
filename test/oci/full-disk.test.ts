import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { getuid } from "node:process";
import { describe, expect, test } from "vitest";
import { mount, unmount } from "../../guest/sys/mount.ts";
import { buildImage, buildLayer } from "../registry/image-builder.ts";
import { readText, startPullFixture } from "./pull-fixture.ts";

const isRoot = getuid?.() === 0;
if (!isRoot) console.warn("test/oci: a full image store needs root");

describe.skipIf(!isRoot)("a full disk", () => {
  test("the image that doesn't fit is named, nothing of it stays, and one that fits can be had", async () => {
    await using fixture = await startPullFixture();
    mkdirSync(fixture.storeDirectory);
    mount({ source: "tmpfs", target: fixture.storeDirectory, type: "tmpfs", data: "size=2m" });
    const noise = randomBytes(4 * 1024 * 1024).toString("latin1");
    const large = buildImage([
      buildLayer([{ name: "a", content: "a" }]),
      buildLayer([{ name: "noise", content: noise }]),
    ]);
    const pulled = fixture.pull(fixture.registry.push("large", "v1", large), "first");
    await expect(pulled).rejects.toThrow(/no space left in the image store for layer sha256:/);
    expect(fixture.remains().filter((path) => path !== fixture.storeDirectory)).toEqual([]);
    const small = buildImage([buildLayer([{ name: "b", content: "it fits" }])]);
    const { rootfsPath } = await fixture.pull(fixture.registry.push("small", "v1", small), "second");
    expect(readText(rootfsPath, "b")).toBe("it fits");
    unmount(rootfsPath);
  });
});
