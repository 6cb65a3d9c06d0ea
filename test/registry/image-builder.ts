import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type TarEntryInit, tarArchive } from "./tar-writer.ts";

/** Bytes that a registry serves by their digest. */
export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

/** A layer: its blob, and the digest of its tar. */
export interface BuiltLayer extends Blob {
  readonly diffId: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image ready to be pushed. */
export interface BuiltImage {
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly BuiltLayer[];
}

export type LayerCompression = "none" | "gzip" | "zstd";

/** The part of an image's config that {@link buildImage} takes. */
export interface ImageConfigInit {
  readonly architecture?: string;
  readonly os?: string;
  readonly config?: Readonly<Record<string, unknown>>;
}

const layerType = "application/vnd.oci.image.layer.v1.tar";
const layerTypes = { none: layerType, gzip: `${layerType}+gzip`, zstd: `${layerType}+zstd` } as const;

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** This machine's architecture in Go's names, as images have it. */
export function machineArchitecture(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}

/** A layer from entries, or from a finished tar. */
export function buildLayer(
  content: readonly (TarEntryInit | Buffer)[] | Buffer,
  compression: LayerCompression = "gzip",
): BuiltLayer {
  const tar = Buffer.isBuffer(content) ? content : tarArchive(content);
  const bytes = { none: () => tar, gzip: () => gzipSync(tar), zstd: () => zstdCompressSync(tar) }[compression]();
  return { mediaType: layerTypes[compression], digest: sha256(bytes), bytes, diffId: sha256(tar) };
}

/** An OCI image from layers, bottom first. The manifest can be changed before it is encoded. */
export function buildImage(
  layers: readonly BuiltLayer[],
  init: ImageConfigInit = {},
  change: (manifest: Record<string, unknown>) => void = () => {},
): BuiltImage {
  const config = jsonBlob("application/vnd.oci.image.config.v1+json", {
    architecture: init.architecture ?? machineArchitecture(),
    os: init.os ?? "linux",
    config: init.config ?? {},
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest: Record<string, unknown> = {
    schemaVersion: 2,
    mediaType,
    config: descriptor(config),
    layers: layers.map((layer) => ({
      ...descriptor(layer),
      ...(layer.annotations && { annotations: layer.annotations }),
    })),
  };
  change(manifest);
  return { manifest: jsonBlob(String(manifest["mediaType"] ?? mediaType), manifest), config, layers };
}

/** An index over images, each with the platform that it is for. */
export function buildIndex(
  entries: readonly { readonly image: BuiltImage; readonly platform?: Readonly<Record<string, string>> }[],
): Blob {
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const manifests = entries.map(({ image, platform }) => ({
    ...descriptor(image.manifest),
    ...(platform && { platform }),
  }));
  return jsonBlob(mediaType, { schemaVersion: 2, mediaType, manifests });
}

/** A document as a blob. */
export function jsonBlob(mediaType: string, value: unknown): Blob {
  const bytes = Buffer.from(JSON.stringify(value));
  return { mediaType, digest: sha256(bytes), bytes };
}

/** How a manifest refers to a blob. */
export function descriptor({ mediaType, digest, bytes }: Blob): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest, size: bytes.length };
}

const busyboxPaths = ["/bin/busybox", "/usr/bin/busybox"];

/** Entries for the directories that every image has. */
export const baseDirectories: readonly TarEntryInit[] = [
  ...["bin/", "dev/", "etc/", "proc/", "sys/", "usr/"].map((name) => ({ name, type: "5", mode: 0o755 })),
  { name: "root/", type: "5", mode: 0o700 },
  { name: "tmp/", type: "5", mode: 0o1777 },
  { name: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\n" },
  { name: "etc/group", content: "root:x:0:\n" },
];

/**
 * Entries of a root file system with this machine's static busybox (Debian: package busybox-static) and a link for each of
 * its applets.
 *
 * @throws Error when there is no busybox
 */
export function busyboxEntries(): TarEntryInit[] {
  const busybox = busyboxPaths.find((path) => existsSync(path));
  if (busybox === undefined) throw new Error("no busybox: install the package busybox-static");
  const applets = execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n");
  const links = applets.filter((applet) => applet !== "" && applet !== "busybox");
  return [
    ...baseDirectories,
    { name: "bin/busybox", content: readFileSync(busybox), mode: 0o755 },
    ...links.map((applet) => ({ name: `bin/${applet}`, type: "2", linkName: "busybox", mode: 0o777 })),
  ];
}

/** An image with a shell: busybox in one layer, and further entries, if any, in a second. */
export function buildBusyboxImage(further: readonly TarEntryInit[] = [], init: ImageConfigInit = {}): BuiltImage {
  const layers = [buildLayer(busyboxEntries())];
  if (further.length > 0) layers.push(buildLayer(further));
  return buildImage(layers, { ...init, config: { Cmd: ["/bin/sh"], Env: ["PATH=/bin"], ...init.config } });
}
