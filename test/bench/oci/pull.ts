/**
 * Pulls an image from a registry on loopback into a store in memory, as in a pod VM without a scratch disk. Prints a line a
 * figure, or with --json one JSON object a line: name, value, unit, runs.
 *
 *     node --experimental-ffi test/bench/oci/pull.ts [--json] [--runs N] [DIRECTORY]
 *
 * DIRECTORY is what the image holds; node_modules when absent.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { silentLog } from "../../../guest/core/log.ts";
import { createImagePuller } from "../../../guest/oci/image-puller.ts";
import { linuxPlatform } from "../../../guest/oci/platform.ts";
import { HttpClient } from "../../../guest/sys/http-client.ts";

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean" }, runs: { type: "string", default: "3" } },
  allowPositionals: true,
});
const runs = Number(values.runs);
const memoryFilesystem = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const directory = mkdtempSync(join(memoryFilesystem, "podkeep-bench-"));
const sender = new HttpClient();
const registry = fork(new URL("registry-process.ts", import.meta.url), [positionals[0] ?? "node_modules"]);
try {
  // The message that the registry's process sends when it is ready.
  const [{ host, tarBytes }] = (await once(registry, "message")) as [{ host: string; tarBytes: number }];
  for (const compression of ["none", "gzip", "zstd"]) await measure(host, compression, tarBytes);
} finally {
  registry.disconnect();
  sender.close();
  rmSync(directory, { recursive: true, force: true });
}

async function measure(host: string, compression: string, tarBytes: number): Promise<void> {
  const seconds: number[] = [];
  let peakRss = 0;
  for (let run = 0; run < runs; run++) {
    const watch = setInterval(() => {
      peakRss = Math.max(peakRss, process.memoryUsage.rss());
    }, 20);
    seconds.push(await pullOnce(`${host}/bench/tree:${compression}`));
    clearInterval(watch);
  }
  const median = seconds.sort((a, b) => a - b)[Math.floor(runs / 2)] ?? Number.NaN;
  report(`image pull, ${compression}`, tarBytes / 1e6 / median, "MB/s of tar");
  report(`image pull, ${compression}, peak memory`, peakRss / 2 ** 20, "MiB RSS");
}

/** @returns seconds that the pull took, without the clearing up */
async function pullOnce(reference: string): Promise<number> {
  const storeDirectory = join(directory, "store");
  const platform = linuxPlatform(process.arch);
  const puller = createImagePuller({ storeDirectory, sender, platform, log: silentLog });
  const bundlePath = join(directory, "bundle");
  const start = performance.now();
  await puller.pull({ reference, bundlePath, signal: new AbortController().signal });
  const seconds = (performance.now() - start) / 1000;
  puller.release(bundlePath);
  puller.removeUnused();
  puller.close();
  return seconds;
}

function report(name: string, value: number, unit: string): void {
  const rounded = Math.round(value * 10) / 10;
  const line =
    values.json === true ? JSON.stringify({ name, value: rounded, unit, runs }) : `${name}: ${rounded} ${unit}`;
  process.stdout.write(`${line}\n`);
}
