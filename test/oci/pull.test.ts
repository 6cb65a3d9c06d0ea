import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import {
  buildBusyboxImage,
  buildImage,
  buildIndex,
  buildLayer,
  machineArchitecture,
  sha256,
} from "../registry/image-builder.ts";
import { tarArchive } from "../registry/tar-writer.ts";
import { readText, startPullFixture } from "./pull-fixture.ts";

test("pulls busybox, mounts it, runs it, and releases it without a trace", async () => {
  await using fixture = await startPullFixture();
  const image = buildBusyboxImage([{ name: "etc/motd", content: "hello\n" }]);
  const pulled = await fixture.pull(fixture.registry.push("demo/busybox", "v1", image));

  expect(pulled.manifestDigest).toBe(image.manifest.digest);
  expect(pulled.configDigest).toBe(image.config.digest);
  expect(pulled.rootfsPath).toBe(`${fixture.bundle()}/rootfs`);
  const output = execFileSync("/usr/sbin/chroot", [pulled.rootfsPath, "/bin/cat", "/etc/motd"], { encoding: "utf8" });
  expect(output).toBe("hello\n");
  expect(lstatSync(join(pulled.rootfsPath, "tmp")).mode & 0o7777).toBe(0o1777);

  fixture.puller.release(fixture.bundle());
  expect(fixture.remains()).toEqual([]);
  fixture.puller.removeUnused();
  expect(fixture.layers()).toEqual([]);
});

test.each(["none", "gzip", "zstd"] as const)("unpacks layers with compression %s", async (compression) => {
  await using fixture = await startPullFixture();
  const image = buildImage([buildLayer([{ name: "a", content: "x".repeat(300_000) }], compression)]);
  const { rootfsPath } = await fixture.pull(fixture.registry.push("demo/a", "v1", image));
  expect(readText(rootfsPath, "a")).toBe("x".repeat(300_000));
});

test.each([
  ["gzip", gzipSync, gzipSync(Buffer.alloc(0))],
  ["zstd", zstdCompressSync, Buffer.from("502a4d180400000000000000", "hex")],
] as const)(
  "a %s layer of several parts, with an empty one for lazy pullers at its end",
  async (kind, compress, footer) => {
    await using fixture = await startPullFixture();
    const tar = tarArchive([{ name: "a", content: "x".repeat(3000) }]);
    const bytes = Buffer.concat([compress(tar.subarray(0, 700)), compress(tar.subarray(700)), footer]);
    const layer = { ...buildLayer(tar, kind), bytes, digest: sha256(bytes) };
    const { rootfsPath } = await fixture.pull(fixture.registry.push("demo/a", "v1", buildImage([layer])));
    expect(readText(rootfsPath, "a")).toBe("x".repeat(3000));
  },
);

test("whiteouts hide files and directories of lower layers", async () => {
  await using fixture = await startPullFixture();
  const lower = buildLayer([
    { name: "gone", content: "1" },
    { name: "kept", content: "2" },
    { name: "dir/", type: "5" },
    { name: "dir/old", content: "3" },
    { name: "tree/", type: "5" },
    { name: "tree/leaf", content: "4" },
  ]);
  const upper = buildLayer([
    { name: ".wh.gone" },
    { name: ".wh.tree" },
    { name: "dir/.wh..wh..opq" },
    { name: "dir/new", content: "5" },
  ]);
  const { rootfsPath } = await fixture.pull(fixture.registry.push("demo/wh", "v1", buildImage([lower, upper])));
  expect(readdirSync(rootfsPath).sort()).toEqual(["dir", "kept"]);
  expect(readdirSync(join(rootfsPath, "dir"))).toEqual(["new"]);
});

test("takes the index entry for this machine", async () => {
  await using fixture = await startPullFixture();
  const image = (text: string, architecture: string) =>
    buildImage([buildLayer([{ name: "which", content: text }])], { architecture });
  const mine = image("mine", machineArchitecture());
  const other = image("other", "riscv64");
  const index = buildIndex([
    { image: other, platform: { os: "linux", architecture: "riscv64" } },
    { image: other },
    { image: mine, platform: { os: "linux", architecture: machineArchitecture() } },
  ]);
  fixture.registry.push("demo/multi", "mine", mine);
  fixture.registry.push("demo/multi", "other", other);
  fixture.registry.pushManifest("demo/multi", "v1", index);
  const pulled = await fixture.pull(`${fixture.registry.host}/demo/multi:v1`);
  expect(readText(pulled.rootfsPath, "which")).toBe("mine");
  expect(pulled.manifestDigest).toBe(mine.manifest.digest);
});

test("threat 111: containers share layers and cannot alter them", async () => {
  await using fixture = await startPullFixture();
  const reference = fixture.registry.push(
    "demo/a",
    "v1",
    buildImage([buildLayer([{ name: "a", content: "original" }])]),
  );
  const first = await fixture.pull(reference, "one");
  writeFileSync(join(first.rootfsPath, "a"), "altered");
  const second = await fixture.pull(reference, "two");
  expect(readText(second.rootfsPath, "a")).toBe("original");
  expect(readText(first.rootfsPath, "a")).toBe("altered");
  expect(fixture.registry.requests.filter((line) => line.includes("/blobs/"))).toHaveLength(3); // config, layer; config

  fixture.puller.release(fixture.bundle("one"));
  fixture.puller.removeUnused();
  expect(readText(second.rootfsPath, "a")).toBe("original");
  expect(fixture.layers()).toHaveLength(1);
});
