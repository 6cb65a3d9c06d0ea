import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { buildFolder, imageFiles, imageFolder } from "./folders.ts";
import { pathInTools, runInTools } from "./tools-tree.ts";

/** A part of an image. */
export interface Part {
  readonly name: string;
  readonly bytes: number;
  /** Of files whose bytes are compared between builds. */
  readonly sha256?: string;
}

/** podkeep's own files. */
export function treeParts(): Part[] {
  const folder = join(buildFolder, "image-tree/usr/lib/podkeep");
  return readdirSync(folder)
    .sort()
    .map((name) => sizeOf(folder, name));
}

/** Kernel and initramfs. */
export function leanParts(): Part[] {
  return [imageFiles.leanKernel, imageFiles.leanInitramfs].map((name) => hashed(imageFolder, name));
}

/** The kernel image with all in it, each partition, and the disk: as it is and as it is uploaded. */
export function diskParts(): Part[] {
  const disk = join(imageFolder, imageFiles.disk);
  return [
    hashed(imageFolder, imageFiles.uki),
    ...partitionsOf(disk).map(({ name, size }) => ({ name: `partition ${name}`, bytes: size })),
    hashed(imageFolder, imageFiles.disk),
    { name: `${imageFiles.disk}, zstd -10`, bytes: compressedSize(disk) },
  ];
}

/** A partition; both figures in bytes. */
export interface Partition {
  readonly name: string;
  readonly start: number;
  readonly size: number;
}

/** The partitions of a disk. */
export function partitionsOf(disk: string): Partition[] {
  const table: unknown = JSON.parse(runInTools("sfdisk", ["--json", pathInTools(disk)]));
  // The shape that sfdisk's manual promises; figures in sectors.
  const { partitiontable } = table as { partitiontable: { partitions: Partition[] } };
  return partitiontable.partitions.map(({ name, start, size }) => ({ name, start: start * 512, size: size * 512 }));
}

function compressedSize(file: string): number {
  const script = 'zstd -q -10 -T0 -c "$0" | wc -c';
  return Number(runInTools("sh", ["-c", script, pathInTools(file)]));
}

function sizeOf(folder: string, name: string): Part {
  return { name, bytes: statSync(join(folder, name)).size };
}

function hashed(folder: string, name: string): Part {
  const bytes = readFileSync(join(folder, name));
  return { name, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
