import { type Digest, parseDigest } from "./digest.ts";
import { ImageError } from "./errors.ts";
import { JsonObject } from "./json-object.ts";
import type { Platform } from "./platform.ts";

/**
 * Reads what matters of an image's config blob (OCI image spec, config.md): that the image is for this platform, and what its
 * layers must unpack to. What it says of processes is not looked at: the container's own specification counts.
 *
 * @param layerCount layers of the manifest, which must be as many as diff ids
 * @returns digests of the layers' uncompressed tars, bottom layer first
 * @throws ImageError `invalid-image`, also when the image is for another platform
 */
export function parseDiffIds(bytes: Uint8Array, layerCount: number, platform: Platform): readonly Digest[] {
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
  if (diffIds.length === layerCount) return diffIds;
  const text = `the manifest has ${layerCount} layers, the image config ${diffIds.length} diff_ids`;
  throw new ImageError("invalid-image", text);
}
