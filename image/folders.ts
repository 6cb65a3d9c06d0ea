import { join, resolve } from "node:path";

/** The top of the clone. */
export const projectRoot = resolve(import.meta.dirname, "..");

/** All that is built; ignored by git. */
export const buildFolder = join(projectRoot, "build");

/** The finished images. */
export const imageFolder = join(buildFolder, "image");

/** Names of the finished images' files in {@link imageFolder}. */
export const imageFiles = {
  leanKernel: "podkeep-lean.vmlinuz",
  leanInitramfs: "podkeep-lean.cpio.zst",
  disk: "podkeep.raw",
  uki: "podkeep.efi",
} as const;
