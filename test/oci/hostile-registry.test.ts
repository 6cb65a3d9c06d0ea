import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { ImageErrorKind } from "../../guest/oci/errors.ts";
import {
  type BuiltImage,
  type BuiltLayer,
  buildImage,
  buildIndex,
  buildLayer,
  jsonBlob,
  machineArchitecture,
  sha256,
} from "../registry/image-builder.ts";
import type { Registry } from "../registry/registry.ts";
import { tarArchive } from "../registry/tar-writer.ts";
import { type PullFixture, startPullFixture } from "./pull-fixture.ts";

const kind = (expected: ImageErrorKind) => expect.objectContaining({ name: "ImageError", kind: expected });
const sample = () =>
  buildImage([buildLayer([{ name: "a", content: "lower" }]), buildLayer([{ name: "b", content: "upper" }])]);

function last(bytes: Buffer): Buffer {
  const altered = Buffer.from(bytes);
  altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
  return altered;
}

/** The one layer, tampered with after it was listed. */
function layerBlob(image: BuiltImage, index: number) {
  const layer = image.layers[index];
  if (layer === undefined) throw new RangeError("no such layer");
  return layer;
}

async function expectCleanFailure(fixture: PullFixture, reference: string, expected: ImageErrorKind): Promise<void> {
  await expect(fixture.pull(reference)).rejects.toThrow(kind(expected));
  expect(fixture.remains()).toEqual([]);
}

describe("threat 105: altered content is refused at each level and leaves nothing behind", () => {
  test.each<[string, (image: BuiltImage, registry: Registry) => void]>([
    [
      "manifest",
      (image, registry) =>
        registry.tamper(image.manifest.digest, Buffer.concat([image.manifest.bytes, Buffer.from(" ")])),
    ],
    [
      "config",
      (image, registry) =>
        registry.tamper(image.config.digest, Buffer.from(image.config.bytes.toString().replace("linux", "linuX"))),
    ],
    [
      "last byte of a layer",
      (image, registry) => registry.tamper(layerBlob(image, 1).digest, last(layerBlob(image, 1).bytes)),
    ],
    [
      "valid gzip of another layer",
      (image, registry) => registry.tamper(layerBlob(image, 1).digest, sameLengthGzip(layerBlob(image, 1).bytes)),
    ],
    [
      "longer layer",
      (image, registry) =>
        registry.tamper(layerBlob(image, 0).digest, Buffer.concat([layerBlob(image, 0).bytes, Buffer.alloc(9)])),
    ],
    [
      "shorter layer",
      (image, registry) => registry.tamper(layerBlob(image, 0).digest, layerBlob(image, 0).bytes.subarray(0, -9)),
    ],
  ])("%s", async (_name, tamper) => {
    await using fixture = await startPullFixture();
    const image = sample();
    fixture.registry.push("demo/a", "v1", image);
    tamper(image, fixture.registry);
    const failure = fixture.pull(`${fixture.registry.host}/demo/a@${image.manifest.digest}`);
    // What a decompressor stumbles on is found before the digest is known.
    await expect(failure).rejects.toMatchObject({ kind: expect.stringMatching(/^(integrity|invalid-image)$/) });
    expect(fixture.remains()).toEqual([]);
  });

  test("chunked answers without a length are counted, too", async () => {
    await using fixture = await startPullFixture();
    const image = sample();
    const reference = fixture.registry.push("demo/a", "v1", image);
    const { digest, bytes } = layerBlob(image, 0);
    fixture.registry.intercept((request, response) => {
      if (request.url?.endsWith(digest) !== true) return false;
      response.writeHead(200);
      response.write(bytes);
      response.end(Buffer.alloc(100));
      return true;
    });
    await expectCleanFailure(fixture, reference, "integrity");
  });

  test("a diff id that isn't the layer's", async () => {
    await using fixture = await startPullFixture();
    const layer = buildLayer([{ name: "a", content: "x" }]);
    const image = buildImage([{ ...layer, diffId: `sha256:${"0".repeat(64)}` }]);
    const reference = fixture.registry.push("demo/a", "v1", image);
    await expect(fixture.pull(reference)).rejects.toThrow(/unequal uncompressed digest/);
    await expectCleanFailure(fixture, reference, "integrity");
    expect(fixture.layers()).toEqual([]);
  });

  test("an index whose entry is something else", async () => {
    await using fixture = await startPullFixture();
    const image = sample();
    fixture.registry.push("demo/a", "other", image);
    const index = buildIndex([{ image, platform: { os: "linux", architecture: machineArchitecture() } }]);
    fixture.registry.pushManifest("demo/a", "v1", index);
    fixture.registry.tamper(image.manifest.digest, Buffer.from(`${image.manifest.bytes} `));
    await expectCleanFailure(fixture, `${fixture.registry.host}/demo/a:v1`, "integrity");
  });

  test("a tag is refused where a digest is required", async () => {
    await using fixture = await startPullFixture({ requireDigest: true });
    const image = sample();
    const reference = fixture.registry.push("demo/a", "v1", image);
    await expect(fixture.pull(reference)).rejects.toThrow(kind("policy"));
    expect(fixture.registry.requests).toEqual([]);
    await fixture.pull(`${fixture.registry.host}/demo/a:v1@${image.manifest.digest}`);
  });

  test("complete layers survive the failure of another; a later pull uses them", async () => {
    await using fixture = await startPullFixture({ limits: { maxConcurrentLayers: 1 } });
    const image = sample();
    const reference = fixture.registry.push("demo/a", "v1", image);
    const { digest, bytes } = layerBlob(image, 1);
    fixture.registry.tamper(digest, last(bytes));
    await expect(fixture.pull(reference)).rejects.toThrow();
    expect(fixture.layers()).toHaveLength(1);
    fixture.registry.tamper(digest, bytes);
    await fixture.pull(reference);
    expect(fixture.registry.requests.filter((line) => line.endsWith(layerBlob(image, 0).digest))).toHaveLength(1);
  });
});

/** A gzip file of the same length with another content, by way of its modification time field. */
function sameLengthGzip(bytes: Buffer): Buffer {
  const altered = Buffer.from(bytes);
  altered.writeUInt32LE(12345, 4);
  expect(gunzipSync(altered)).toEqual(gunzipSync(bytes));
  return altered;
}

/** A layer with zeros behind its compressed tar; its digest is right. */
function extended(layer: BuiltLayer, zeros: number): BuiltLayer {
  const bytes = Buffer.concat([layer.bytes, Buffer.alloc(zeros)]);
  return { ...layer, bytes, digest: sha256(bytes) };
}

describe("threat 110: images that are none", () => {
  test.each<[string, BuiltImage]>([
    ["no entries at all", buildImage([buildLayer([])])],
    ["an empty archive", buildImage([buildLayer(Buffer.alloc(0), "none")])],
    ["for another processor", buildImage([buildLayer([{ name: "a" }])], { architecture: "riscv64" })],
    ["for another system", buildImage([buildLayer([{ name: "a" }])], { os: "windows" })],
    [
      "a foreign layer",
      buildImage([
        { ...buildLayer([{ name: "a" }]), mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" },
      ]),
    ],
    [
      "gzip that is none",
      buildImage([
        { ...buildLayer([{ name: "a" }], "none"), mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" },
      ]),
    ],
    ["gzip with something small behind it", buildImage([extended(buildLayer([{ name: "a" }]), 512)])],
    ["gzip with something large behind it", buildImage([extended(buildLayer([{ name: "a" }]), 1 << 20)])],
    ["zstd with something behind it", buildImage([extended(buildLayer([{ name: "a" }], "zstd"), 512)])],
    ["a tar that is none", buildImage([buildLayer(Buffer.alloc(1024, "x"))])],
    ["a hostile path", buildImage([buildLayer([{ name: "../x" }])])],
  ])("%s", async (_name, image) => {
    await using fixture = await startPullFixture();
    await expectCleanFailure(fixture, fixture.registry.push("demo/a", "v1", image), "invalid-image");
  });

  test("an index in an index", async () => {
    await using fixture = await startPullFixture();
    const inner = buildIndex([]);
    const entry = {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: inner.digest,
      size: inner.bytes.length,
    };
    const platform = { os: "linux", architecture: machineArchitecture() };
    const outer = { schemaVersion: 2, mediaType: inner.mediaType, manifests: [{ ...entry, platform }] };
    fixture.registry.pushManifest("demo/a", "inner", inner);
    fixture.registry.pushManifest("demo/a", "v1", jsonBlob(inner.mediaType, outer));
    await expectCleanFailure(fixture, `${fixture.registry.host}/demo/a:v1`, "invalid-image");
  });

  test("encrypted layers need a key provider", async () => {
    await using fixture = await startPullFixture();
    const layer = {
      ...buildLayer([{ name: "a" }]),
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
    };
    await expectCleanFailure(fixture, fixture.registry.push("demo/a", "v1", buildImage([layer])), "decryption");
  });
});

describe("threat 108: bombs", () => {
  const zeros = () => buildImage([buildLayer([{ name: "a", content: Buffer.alloc(8 << 20) }])]);

  test.each([
    ["more than a layer may hold", { maxUnpackedLayerBytes: 1 << 20 }],
    ["more than an image may hold", { maxUnpackedImageBytes: 1 << 20 }],
    ["too dense", { ratioFreeBytes: 1 << 20, maxDecompressionRatio: 50 }],
    ["too many entries", { maxLayerEntries: 0 }],
    ["too large a manifest", { maxManifestBytes: 10 }],
  ])("%s", async (_name, limits) => {
    await using fixture = await startPullFixture({ limits });
    await expectCleanFailure(fixture, fixture.registry.push("demo/a", "v1", zeros()), "limit");
  });

  test("gigabytes of zeros are cut off without being held in memory", async () => {
    await using fixture = await startPullFixture({ limits: { maxUnpackedLayerBytes: 64 << 20 } });
    // 4 GiB of zeros in 4 MiB: members of one gzip file, 64 times the same.
    const member = gzipSync(Buffer.alloc(64 << 20));
    const header = gzipSync(tarArchive([{ name: "a", size: 4 * 2 ** 30 }]).subarray(0, 512));
    const bytes = Buffer.concat([header, ...Array<Buffer>(64).fill(member)]);
    const layer = { ...buildLayer([]), bytes, digest: sha256(bytes) };
    const before = process.memoryUsage().rss;
    await expectCleanFailure(fixture, fixture.registry.push("demo/a", "v1", buildImage([layer])), "limit");
    expect(process.memoryUsage().rss - before).toBeLessThan(150 << 20);
  });

  test("a zstd frame with a giant window", async () => {
    await using fixture = await startPullFixture({ limits: { maxZstdWindowLog: 18 } });
    // Random bytes don't compress, so the frame declares a window that covers them.
    const tar = tarArchive([
      { name: "a", content: Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 7919) >> 3)) },
    ]);
    const bytes = zstdCompressSync(tar);
    const layer = {
      mediaType: "application/vnd.oci.image.layer.v1.tar+zstd",
      bytes,
      digest: sha256(bytes),
      diffId: sha256(tar),
    };
    await expectCleanFailure(fixture, fixture.registry.push("demo/a", "v1", buildImage([layer])), "limit");
  });
});

describe("registries that fail", () => {
  test("an unknown image, and a registry that isn't there", async () => {
    await using fixture = await startPullFixture();
    await expect(fixture.pull(`${fixture.registry.host}/no/such`)).rejects.toThrow(
      /manifest latest from .*: HTTP 404 \(NOT_FOUND: no such content\)/,
    );
    await expectCleanFailure(fixture, `${fixture.registry.host}/no/such`, "not-found");
    await fixture.registry.close();
    await expectCleanFailure(fixture, `${fixture.registry.host}/no/such`, "registry");
  });

  test.each<[string, (fixture: PullFixture, image: BuiltImage) => void]>([
    [
      "500 for a layer",
      ({ registry }, image) =>
        registry.intercept((request, response) => {
          if (request.url?.endsWith(layerBlob(image, 1).digest) !== true) return false;
          response.writeHead(500).end("oops");
          return true;
        }),
    ],
    [
      "a layer that stalls",
      ({ registry }, image) =>
        registry.intercept((request, response) => {
          if (request.url?.endsWith(layerBlob(image, 1).digest) !== true) return false;
          response.writeHead(200).write(layerBlob(image, 1).bytes.subarray(0, 20));
          return true;
        }),
    ],
    [
      "a layer that breaks off",
      ({ registry }, image) =>
        registry.intercept((request, response) => {
          if (request.url?.endsWith(layerBlob(image, 1).digest) !== true) return false;
          response.writeHead(200, { "content-length": layerBlob(image, 1).bytes.length });
          response.write(layerBlob(image, 1).bytes.subarray(0, 20), () => response.destroy());
          return true;
        }),
    ],
    ["an answer that never comes", ({ registry }) => registry.intercept(() => true)],
    [
      "redirects in a circle",
      ({ registry }) =>
        registry.intercept((request, response) => {
          response.writeHead(307, { location: request.url }).end();
          return true;
        }),
    ],
  ])("%s", async (_name, misbehave) => {
    await using fixture = await startPullFixture({ limits: { stallTimeoutMs: 300 } });
    const image = sample();
    const reference = fixture.registry.push("demo/a", "v1", image);
    misbehave(fixture, image);
    await expectCleanFailure(fixture, reference, "registry");
  });

  test("cancelling a pull ends it and cleans up", async () => {
    await using fixture = await startPullFixture();
    const image = sample();
    const reference = fixture.registry.push("demo/a", "v1", image);
    const abort = new AbortController();
    fixture.registry.intercept((request, response) => {
      if (request.url?.endsWith(layerBlob(image, 1).digest) !== true) return false;
      response.writeHead(200).write(layerBlob(image, 1).bytes.subarray(0, 20));
      setTimeout(() => abort.abort(new Error("enough")), 50);
      return true;
    });
    await expect(fixture.pull(reference, "bundle", abort.signal)).rejects.toThrow("enough");
    expect(fixture.remains()).toEqual([]);
  });
});
