import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { silentLog } from "../../guest/core/log.ts";
import { createImagePuller, type ImagePuller, type ImagePullerOptions } from "../../guest/oci/image-puller.ts";
import { linuxPlatform } from "../../guest/oci/platform.ts";
import { HttpClient } from "../../guest/sys/http-client.ts";
import { readMountTable, unmount } from "../../guest/sys/mount.ts";
import { type Registry, type RegistryOptions, startRegistry } from "../registry/registry.ts";

/** A registry, a puller with a store of its own, and bundles; all gone at its disposal. */
export interface PullFixture extends AsyncDisposable {
  readonly registry: Registry;
  readonly puller: ImagePuller;
  readonly storeDirectory: string;
  readonly sender: HttpClient;
  /** The path of a bundle; nothing is there yet. */
  bundle(name?: string): string;
  pull(reference: string, name?: string, signal?: AbortSignal): ReturnType<ImagePuller["pull"]>;
  /** What a failed pull must not leave: staged layers, roots, mounts. Empty when all is clean. */
  remains(): string[];
  /** Layers in the store. */
  layers(): string[];
}

/** Starts a registry and makes a puller for it. */
export async function startPullFixture(
  options: Partial<ImagePullerOptions> = {},
  registryOptions: RegistryOptions = {},
): Promise<PullFixture> {
  const directory = mkdtempSync(join(tmpdir(), "podkeep-oci-"));
  const registry = await startRegistry(registryOptions);
  const storeDirectory = join(directory, "store");
  const sender = new HttpClient();
  const platform = linuxPlatform(process.arch);
  const puller = createImagePuller({ storeDirectory, sender, platform, log: silentLog, ...options });
  const bundle = (name = "bundle") => join(directory, name);
  return {
    registry,
    puller,
    storeDirectory,
    sender,
    bundle,
    pull: (reference, name, signal = new AbortController().signal) =>
      puller.pull({ reference, bundlePath: bundle(name), signal }),
    remains: () => [
      ...entries(join(storeDirectory, "staging")),
      ...entries(join(storeDirectory, "overlay")),
      ...mountsBelow(directory),
    ],
    layers: () => entries(join(storeDirectory, "layers")),
    async [Symbol.asyncDispose]() {
      puller.close();
      sender.close();
      await registry.close();
      for (const mountPoint of mountsBelow(directory).reverse()) unmount(mountPoint);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The text of a file in a root file system. */
export function readText(root: string, path: string): string {
  return readFileSync(join(root, path), "utf8");
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // the store is made at the first pull
  }
}

function mountsBelow(directory: string): string[] {
  return readMountTable()
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint.startsWith(`${directory}/`));
}
