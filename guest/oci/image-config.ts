import { type Digest, parseDigest } from "./digest.ts";
import { ImageError } from "./errors.ts";
import { JsonObject } from "./json-object.ts";
import type { Platform } from "./platform.ts";

/** What an image says of itself (OCI image spec, config.md). Absent members are empty. */
export interface ImageConfig {
  readonly os: string;
  readonly architecture: string;
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly stopSignal: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly volumes: readonly string[];
  readonly exposedPorts: readonly string[];
  /** Digests of the layers' uncompressed tars, bottom layer first. */
  readonly diffIds: readonly Digest[];
}

/**
 * Reads an image's config blob. Members that don't concern us are ignored: builders add their own.
 *
 * @param layerCount layers of the manifest, which must be as many as diff ids
 * @throws ImageError `invalid-image`, also when the image is for another platform
 */
export function parseImageConfig(bytes: Uint8Array, layerCount: number, platform: Platform): ImageConfig {
  const document = JsonObject.parse(bytes, "image config");
  const os = document.string("os");
  const architecture = document.string("architecture");
  if (os !== platform.os || architecture !== platform.architecture) {
    const wanted = `${platform.os}/${platform.architecture}`;
    throw new ImageError(
      "invalid-image",
      `unsupport OS image: it is for ${os}/${architecture}, the guest is ${wanted}`,
    );
  }
  const rootfs = document.object("rootfs");
  if (rootfs.string("type") !== "layers")
    throw new ImageError("invalid-image", "image config.rootfs.type is not layers");
  const diffIds = rootfs.strings("diff_ids").map((text) => parseDigest(text, "a diff_id of the image config"));
  if (diffIds.length !== layerCount) {
    const text = `the manifest has ${layerCount} layers, the image config ${diffIds.length} diff_ids`;
    throw new ImageError("invalid-image", text);
  }
  return { os, architecture, diffIds, ...processDefaults(document.optionalObject("config")) };
}

function processDefaults(config = JsonObject.from({}, "image config.config")) {
  return {
    user: config.optionalString("User") ?? "",
    env: config.strings("Env"),
    entrypoint: config.strings("Entrypoint"),
    cmd: config.strings("Cmd"),
    workingDir: config.optionalString("WorkingDir") ?? "",
    stopSignal: config.optionalString("StopSignal") ?? "",
    labels: config.stringMap("Labels"),
    volumes: config.optionalObject("Volumes")?.names() ?? [],
    exposedPorts: config.optionalObject("ExposedPorts")?.names() ?? [],
  };
}
