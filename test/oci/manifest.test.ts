import { describe, expect, test } from "vitest";
import { parseDiffIds } from "../../guest/oci/image-config.ts";
import { defaultImageLimits } from "../../guest/oci/limits.ts";
import { parseManifest } from "../../guest/oci/manifest.ts";
import { choosePlatform } from "../../guest/oci/platform.ts";

const ociManifest = "application/vnd.oci.image.manifest.v1+json";
const ociIndex = "application/vnd.oci.image.index.v1+json";
const platform = { os: "linux", architecture: "amd64" };
const digest = `sha256:${"a".repeat(64)}`;
const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 10 };
const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: 10 };
const manifest = { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] };
const entry = { mediaType: ociManifest, digest, size: 10, platform };
const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [entry] };

const parse = (document: unknown, contentType = "") =>
  parseManifest(Buffer.from(JSON.stringify(document)), contentType, defaultImageLimits);
const invalid = expect.objectContaining({ kind: "invalid-image" });

describe("manifests", () => {
  test("OCI and Docker schema 2 are read", () => {
    const docker = {
      schemaVersion: 2,
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
      config: { ...config, mediaType: "application/vnd.docker.container.image.v1+json" },
      layers: [{ ...layer, mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip" }],
    };
    expect(parse(manifest)).toMatchObject({ kind: "image", layers: [{ digest, size: 10 }] });
    expect(parse({ ...manifest, mediaType: undefined }, ociManifest)).toMatchObject({ kind: "image" });
    expect(parse(docker)).toMatchObject({ kind: "image" });
    expect(parse(index)).toMatchObject({ kind: "index", entries: [{ platform: { architecture: "amd64" } }] });
  });

  test("K11: schema 1 is refused in words", () => {
    const text = /unsupported manifest schema 1/;
    expect(() => parse({ schemaVersion: 1, fsLayers: [] })).toThrow(text);
    expect(() => parse(manifest, "application/vnd.docker.distribution.manifest.v1+prettyjws")).toThrow(text);
  });

  test.each([
    ["no layers", { ...manifest, layers: [] }],
    ["no layer list", { ...manifest, layers: undefined }],
    ["an unknown layer type", { ...manifest, layers: [{ ...layer, mediaType: "text/plain" }] }],
    [
      "a foreign layer",
      { ...manifest, layers: [{ ...layer, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }] },
    ],
    [
      "a non-distributable layer",
      { ...manifest, layers: [{ ...layer, mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar" }] },
    ],
    ["an artifact", { ...manifest, config: { ...config, mediaType: "application/vnd.example.chart" } }],
    ["both image and index", { ...manifest, manifests: [] }],
    ["an index with layers", { ...index, layers: [layer] }],
    ["another schema version", { ...manifest, schemaVersion: 3 }],
    ["no media type at all", { ...manifest, mediaType: undefined }],
    ["a digest that is none", { ...manifest, config: { ...config, digest: "sha256:../../etc" } }],
    ["a negative size", { ...manifest, layers: [{ ...layer, size: -1 }] }],
    ["a fractional size", { ...manifest, layers: [{ ...layer, size: 1.5 }] }],
    ["a size as text", { ...manifest, layers: [{ ...layer, size: "10" }] }],
    ["a list", []],
    ["null", null],
  ])("threat 110: refuses %s", (_name, document) => {
    expect(() => parse(document)).toThrow(invalid);
  });

  test("annotations named like parts of an object are just names", () => {
    const text = JSON.stringify({ ...manifest, layers: [{ ...layer, annotations: {} }] });
    const named = text.replace('"annotations":{}', '"annotations":{"__proto__":"x","constructor":"y"}');
    const parsed = parseManifest(Buffer.from(named), ociManifest, defaultImageLimits);
    expect(parsed.kind === "image" && [...(parsed.layers[0]?.annotations ?? [])]).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
  });

  test("threat 110: the document and the registry must agree on what it is", () => {
    expect(() => parse(manifest, ociIndex)).toThrow(invalid);
  });

  test("threat 108: caps on layers, entries and sizes", () => {
    const tooMuch = expect.objectContaining({ kind: "limit" });
    expect(() => parse({ ...manifest, layers: Array(201).fill(layer) })).toThrow(tooMuch);
    expect(() => parse({ ...index, manifests: Array(1001).fill(entry) })).toThrow(tooMuch);
    expect(() => parse({ ...manifest, config: { ...config, size: 1e9 } })).toThrow(tooMuch);
    expect(() => parse({ ...manifest, layers: [{ ...layer, size: 1e12 }] })).toThrow(tooMuch);
  });

  test("bytes that are no JSON in UTF-8 are refused without being quoted", () => {
    for (const bytes of [Buffer.from([0xff, 0xfe]), Buffer.from("secret{"), Buffer.alloc(0)]) {
      expect(() => parseManifest(bytes, ociManifest, defaultImageLimits)).toThrow("the manifest is no JSON text");
    }
  });
});

describe("platforms", () => {
  const choose = (...entries: unknown[]) => {
    const parsed = parse({ ...index, manifests: entries });
    return parsed.kind === "index" ? choosePlatform(parsed, platform) : undefined;
  };
  const other = (letter: string) => `sha256:${letter.repeat(64)}`;

  test("the entry without a variant wins, else the first that fits", () => {
    const v3 = { ...entry, digest: other("b"), platform: { ...platform, variant: "v3" } };
    const v2 = { ...entry, digest: other("c"), platform: { ...platform, variant: "v2" } };
    expect(choose(v3, v2, entry)?.digest).toBe(digest);
    expect(choose(v3, v2)?.digest).toBe(other("b"));
  });

  test("threat 110: no entry fits", () => {
    const arm = { ...entry, platform: { os: "linux", architecture: "arm64" } };
    const none = { ...entry, platform: undefined };
    const windows = { ...entry, platform: { os: "windows", architecture: "amd64" } };
    expect(() => choose(arm, none, windows)).toThrow(/no entry found in image index manifest/);
  });

  test("threat 110: an index that leads to an index is refused", () => {
    expect(() => choose({ ...entry, mediaType: ociIndex })).toThrow(invalid);
  });
});

describe("image configs", () => {
  const document = { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [digest] } };
  const read = (value: unknown) => parseDiffIds(Buffer.from(JSON.stringify(value)), 1, platform);

  test("the diff ids are read; what isn't needed may be as builders like it", () => {
    expect(read(document)).toEqual([digest]);
    const odd = { Entrypoint: "/bin/sh", Env: null, Volumes: [], Labels: { a: 1 } };
    expect(read({ ...document, config: odd, history: {}, created: 7 })).toEqual([digest]);
  });

  test.each([
    ["another system", { ...document, os: "windows" }],
    ["another processor", { ...document, architecture: "arm64" }],
    ["no rootfs", { ...document, rootfs: undefined }],
    ["another rootfs type", { ...document, rootfs: { type: "squashfs", diff_ids: [digest] } }],
    ["fewer diff ids than layers", { ...document, rootfs: { type: "layers", diff_ids: [] } }],
    ["more diff ids than layers", { ...document, rootfs: { type: "layers", diff_ids: [digest, digest] } }],
    ["a diff id that is none", { ...document, rootfs: { type: "layers", diff_ids: ["x"] } }],
  ])("threat 110: refuses %s", (_name, value) => {
    expect(() => read(value)).toThrow(invalid);
  });
});
