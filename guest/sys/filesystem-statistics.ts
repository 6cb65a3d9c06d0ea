import fs from "node:fs";
import { descriptorPath } from "./descriptor.ts";
import { asSystemCall } from "./system-error.ts";

/** How full a file system is. */
export interface FilesystemStatistics {
  /** Magic number of the type, statfs(2). */
  readonly type: bigint;
  readonly blockSizeBytes: bigint;
  readonly totalBytes: bigint;
  /** Free for everybody, without what is kept for root. */
  readonly availableBytes: bigint;
  readonly freeBytes: bigint;
  readonly totalInodes: bigint;
  readonly freeInodes: bigint;
}

/** Statistics of the file system that an open file or directory is on. @throws SystemError */
export function filesystemStatistics(fd: number): FilesystemStatistics {
  const result = asSystemCall(() => fs.statfsSync(descriptorPath(fd), { bigint: true }));
  return {
    type: result.type,
    blockSizeBytes: result.bsize,
    totalBytes: result.blocks * result.bsize,
    availableBytes: result.bavail * result.bsize,
    freeBytes: result.bfree * result.bsize,
    totalInodes: result.files,
    freeInodes: result.ffree,
  };
}
