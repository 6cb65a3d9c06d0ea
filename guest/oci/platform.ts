import { ImageError } from "./errors.ts";
import type { ImageIndex, IndexEntry } from "./manifest.ts";
import { manifestMediaTypes } from "./media-types.ts";

/** What the guest runs, in Go's names: `linux`, `amd64`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

const goArchitectures: Readonly<Record<string, string>> = {
  x64: "amd64",
  arm64: "arm64",
  s390x: "s390x",
  ppc64: "ppc64le",
};

/** The platform of a guest whose Node names its processor so (`process.arch`). */
export function linuxPlatform(nodeArchitecture: string): Platform {
  return { os: "linux", architecture: goArchitectures[nodeArchitecture] ?? nodeArchitecture };
}

/**
 * The entry of an index that fits. Of several, the one without a variant, else the first: variants above the base level may
 * need instructions that the machine lacks. Entries without a platform never fit.
 *
 * @throws ImageError `invalid-image` when none fits, or when the one that fits is no image manifest
 */
export function choosePlatform(index: ImageIndex, { os, architecture }: Platform): IndexEntry {
  const fitting = index.entries.filter(({ platform }) => platform?.os === os && platform.architecture === architecture);
  const entry = fitting.find(({ platform }) => platform?.variant === "") ?? fitting[0];
  if (entry === undefined) {
    const text = "no entry found in image index manifest matching client's default platform";
    throw new ImageError("invalid-image", `${text} ${os}/${architecture}`);
  }
  if (!manifestMediaTypes.has(entry.mediaType)) {
    throw new ImageError("invalid-image", `the index points to a ${entry.mediaType.slice(0, 200)}, not to an image`);
  }
  return entry;
}
