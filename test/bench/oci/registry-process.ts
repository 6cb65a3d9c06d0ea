/**
 * The registry of the pull benchmark, in a process of its own so that its work doesn't count. Packs the directory that it is
 * given, serves it as three images and sends the parent its host and the size of the tar.
 */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { buildImage, buildLayer } from "../../registry/image-builder.ts";
import { startRegistry } from "../../registry/registry.ts";

const [, , directory = "."] = process.argv;
const tar = execFileSync("tar", ["-c", "-C", directory, "."], { maxBuffer: 2 ** 31 });
const registry = await startRegistry();
for (const compression of ["none", "gzip", "zstd"] as const) {
  registry.push("bench/tree", compression, buildImage([buildLayer(tar, compression)]));
}
process.send?.({ host: registry.host, tarBytes: tar.length });
process.once("disconnect", () => void registry.close());
