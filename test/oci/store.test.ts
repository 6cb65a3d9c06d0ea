import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { silentLog } from "../../guest/core/log.ts";
import { createImagePuller } from "../../guest/oci/image-puller.ts";
import { linuxPlatform } from "../../guest/oci/platform.ts";
import { mount, readMountTable, unmount } from "../../guest/sys/mount.ts";
import { type BuiltLayer, buildImage, buildLayer } from "../registry/image-builder.ts";
import { readText, startPullFixture } from "./pull-fixture.ts";

const look = (root: string, path: string) => {
  const { mode, uid, gid, mtimeMs } = lstatSync(join(root, path));
  return [(mode & 0o7777).toString(8), uid, gid, mtimeMs / 1000];
};
const pushed = (layers: readonly BuiltLayer[]) => buildImage(layers);

test("a directory that an upper layer merely implies keeps what its own layer says of it", async () => {
  await using fixture = await startPullFixture();
  const lower = buildLayer([
    { name: "./", type: "5", mode: 0o711, uid: 1, mtime: 1000 },
    { name: "tmp/", type: "5", mode: 0o1777, uid: 2, gid: 3, mtime: 2000 },
    { name: "tmp/deep/", type: "5", mode: 0o750, mtime: 3000 },
    { name: "bin", type: "2", linkName: "usr/bin" },
    { name: "gone/", type: "5", mode: 0o700 },
    { name: "hidden/", type: "5", mode: 0o700 },
    { name: "implied/below", content: "x" },
  ]);
  const middle = buildLayer([{ name: ".wh.gone" }]);
  const upper = buildLayer([
    { name: "tmp/deep/file" },
    { name: "bin/tool" },
    { name: "gone/file" },
    { name: "hidden/.wh..wh..opq" },
    { name: "implied/", type: "5", mode: 0o500 },
    { name: "new/deep/file" },
  ]);
  const { rootfsPath } = await fixture.pull(fixture.registry.push("a", "v1", pushed([lower, middle, upper])));
  expect(look(rootfsPath, ".")).toEqual(["711", 1, 0, 1000]);
  expect(look(rootfsPath, "tmp")).toEqual(["1777", 2, 3, 2000]);
  expect(look(rootfsPath, "tmp/deep")).toEqual(["750", 0, 0, 3000]);
  expect(look(rootfsPath, "gone")[0]).toBe("755");
  expect(look(rootfsPath, "hidden")[0]).toBe("755");
  expect(look(rootfsPath, "implied")[0]).toBe("500");
  expect(look(rootfsPath, "new/deep")[0]).toBe("755");
  // As with containerd, a directory of an upper layer takes the place of a link below it.
  expect(readdirSync(join(rootfsPath, "bin"))).toEqual(["tool"]);
});

test("an opaque root hides all layers below", async () => {
  await using fixture = await startPullFixture();
  const layers = [buildLayer([{ name: "old" }]), buildLayer([{ name: ".wh..wh..opq" }, { name: "new" }])];
  const { rootfsPath } = await fixture.pull(fixture.registry.push("a", "v1", pushed(layers)));
  expect(readdirSync(rootfsPath)).toEqual(["new"]);
});

test("a layer that occurs twice counts where it occurs last", async () => {
  await using fixture = await startPullFixture();
  const twice = buildLayer([{ name: "a", content: "twice" }]);
  const between = buildLayer([{ name: ".wh.a" }, { name: "b" }]);
  const { rootfsPath } = await fixture.pull(fixture.registry.push("a", "v1", pushed([twice, between, twice])));
  expect(readdirSync(rootfsPath).sort()).toEqual(["a", "b"]);
});

test("150 layers fit into one mount", async () => {
  await using fixture = await startPullFixture();
  const layers = Array.from({ length: 150 }, (_, index) => buildLayer([{ name: `f${index}` }], "none"));
  const { rootfsPath } = await fixture.pull(fixture.registry.push("a", "v1", pushed(layers)));
  expect(readdirSync(rootfsPath)).toHaveLength(150);
});

test("pulls at the same time fetch a layer once", async () => {
  await using fixture = await startPullFixture();
  const shared = buildLayer([{ name: "shared", content: "x".repeat(100_000) }]);
  const references = ["a", "b", "c"].map((name) =>
    fixture.registry.push(name, "v1", pushed([shared, buildLayer([{ name }])])),
  );
  const pulled = await Promise.all(references.map((reference, index) => fixture.pull(reference, `bundle${index}`)));
  expect(fixture.registry.requests.filter((line) => line.endsWith(shared.digest))).toHaveLength(1);
  for (const { rootfsPath } of pulled) expect(readText(rootfsPath, "shared")).toHaveLength(100_000);
});

test("a pull that is cancelled doesn't stop another one that needs the same layer", async () => {
  await using fixture = await startPullFixture();
  const layer = buildLayer([{ name: "a", content: "x" }]);
  const reference = fixture.registry.push("a", "v1", pushed([layer]));
  const abort = new AbortController();
  const proceed = Promise.withResolvers<void>();
  fixture.registry.intercept((request, response) => {
    if (request.url?.endsWith(layer.digest) !== true) return false;
    void proceed.promise.then(() => response.writeHead(200).end(layer.bytes));
    return true;
  });
  const first = fixture.pull(reference, "one", abort.signal);
  const second = fixture.pull(reference, "two");
  setTimeout(() => abort.abort(new Error("enough")), 50);
  await expect(first).rejects.toThrow("enough");
  proceed.resolve();
  expect(readText((await second).rootfsPath, "a")).toBe("x");
});

test("what a container wrote is removed when somebody else unmounted its root", async () => {
  await using fixture = await startPullFixture();
  const reference = fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "a" }])]));
  const { rootfsPath } = await fixture.pull(reference, "one");
  writeFileSync(join(rootfsPath, "data"), "x");
  await fixture.pull(reference, "two");
  expect(readdirSync(join(fixture.storeDirectory, "overlay"))).toHaveLength(2);
  unmount(rootfsPath);
  await fixture.pull(reference, "three");
  expect(readdirSync(join(fixture.storeDirectory, "overlay"))).toHaveLength(2);
  const again = await fixture.pull(reference, "one");
  expect(readdirSync(again.rootfsPath)).toEqual(["a"]);
});

test("what a container wrote may be too deep to be removed: other pulls go on", async () => {
  await using fixture = await startPullFixture();
  const reference = fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "a" }])]));
  const { rootfsPath } = await fixture.pull(reference, "one");
  mkdirSync(join(rootfsPath, "d/".repeat(1100)), { recursive: true });
  unmount(rootfsPath);
  expect(readdirSync((await fixture.pull(reference, "two")).rootfsPath)).toEqual(["a"]);
  fixture.puller.removeUnused();
  expect(fixture.layers()).toHaveLength(1);
});

test("a bundle has one root at a time", async () => {
  await using fixture = await startPullFixture();
  const reference = fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "a", content: "x" }])]));
  const { rootfsPath } = await fixture.pull(reference);
  await expect(fixture.pull(reference)).rejects.toThrow(expect.objectContaining({ kind: "store" }));
  expect(readText(rootfsPath, "a")).toBe("x");
  fixture.puller.release(fixture.bundle());
  fixture.puller.release(fixture.bundle());
  await fixture.pull(reference);
});

test.each(["relative", "/a/../b", "/a//b", "/", "/a/", "/a\0b"])(
  "the bundle path %j is refused",
  async (bundlePath) => {
    await using fixture = await startPullFixture();
    const reference = fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "a" }])]));
    const { signal } = new AbortController();
    await expect(fixture.puller.pull({ reference, bundlePath, signal })).rejects.toThrow(
      expect.objectContaining({ kind: "store" }),
    );
  },
);

test("a bundle whose rootfs is a planted link is refused", async () => {
  await using fixture = await startPullFixture();
  const reference = fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "a" }])]));
  mkdirSync(fixture.bundle());
  execFileSync("ln", ["-s", "/tmp", join(fixture.bundle(), "rootfs")]);
  await expect(fixture.pull(reference)).rejects.toThrow(expect.objectContaining({ kind: "store" }));
  expect(fixture.remains()).toEqual([]);
});

test("a bundle reached by a link is released like any other", async () => {
  await using fixture = await startPullFixture();
  const reference = fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "a" }])]));
  mkdirSync(fixture.bundle("real"));
  execFileSync("ln", ["-s", "real", fixture.bundle("link")]);
  await fixture.pull(reference, "link/inner");
  fixture.puller.release(fixture.bundle("link/inner"));
  expect(fixture.remains()).toEqual([]);
});

test("a restarted program uses the layers it finds, one on a restarted machine doesn't", async () => {
  await using fixture = await startPullFixture();
  const reference = fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "d/a", content: "x" }])]));
  await fixture.pull(reference, "one");
  const restarted = () => {
    const { storeDirectory, sender } = fixture;
    return createImagePuller({ storeDirectory, sender, platform: linuxPlatform(process.arch), log: silentLog });
  };
  const layerRequests = () => fixture.registry.requests.filter((line) => line.includes("/blobs/")).length;
  const { signal } = new AbortController();
  mkdirSync(join(fixture.storeDirectory, "staging", "half-done"));
  await restarted().pull({ reference, bundlePath: fixture.bundle("two"), signal });
  expect(layerRequests()).toBe(3);
  expect(readdirSync(join(fixture.storeDirectory, "staging"))).toEqual([]);

  fixture.puller.release(fixture.bundle("one"));
  fixture.puller.release(fixture.bundle("two"));
  writeFileSync(join(fixture.storeDirectory, "boot-id"), "another");
  await restarted().pull({ reference, bundlePath: fixture.bundle("three"), signal });
  expect(layerRequests()).toBe(5);
});

test("a store on an overlay, which cannot hold upper directories, moves to memory", async () => {
  const directory = mkdtempSync(join(tmpdir(), "podkeep-overlay-"));
  const merged = join(directory, "merged");
  try {
    for (const name of ["lower", "upper", "work", "merged"]) mkdirSync(join(directory, name));
    const data = `lowerdir=${directory}/lower,upperdir=${directory}/upper,workdir=${directory}/work`;
    mount({ source: "overlay", target: merged, type: "overlay", data });
    const storeDirectory = join(merged, "store");
    await using fixture = await startPullFixture({ storeDirectory });
    const { rootfsPath } = await fixture.pull(
      fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "a", content: "x" }])])),
    );
    expect(readText(rootfsPath, "a")).toBe("x");
    expect(readMountTable().find(({ mountPoint }) => mountPoint === storeDirectory)?.type).toBe("tmpfs");
    fixture.puller.release(fixture.bundle());
    fixture.puller.close();
    unmount(storeDirectory);
  } finally {
    unmount(merged, { lazy: true });
    rmSync(directory, { recursive: true });
  }
});

test.each(["relative", "/a,b", "/a:b", "/a b", "/a/../b"])("a store at %j is refused", async (storeDirectory) => {
  await using fixture = await startPullFixture({ storeDirectory });
  const reference = fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "a" }])]));
  await expect(fixture.pull(reference)).rejects.toThrow(expect.objectContaining({ kind: "store" }));
  expect(existsSync(storeDirectory)).toBe(false);
});

test.each(["/..", "/."])("a store whose path ends with %s is refused", async (end) => {
  const directory = mkdtempSync(join(tmpdir(), "podkeep-store-"));
  try {
    await using fixture = await startPullFixture({ storeDirectory: `${directory}/store${end}` });
    const reference = fixture.registry.push("a", "v1", pushed([buildLayer([{ name: "a" }])]));
    await expect(fixture.pull(reference)).rejects.toThrow(expect.objectContaining({ kind: "store" }));
    expect(readdirSync(directory)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("device nodes of an image are dead in its root", async () => {
  await using fixture = await startPullFixture();
  const layer = buildLayer([{ name: "null", type: "3", mode: 0o666, deviceMajor: 1, deviceMinor: 3 }]);
  const { rootfsPath } = await fixture.pull(fixture.registry.push("a", "v1", pushed([layer])));
  expect(() => readFileSync(join(rootfsPath, "null"))).toThrow("EACCES");
});
