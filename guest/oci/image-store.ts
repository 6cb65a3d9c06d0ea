import type { Log } from "../core/log.ts";
import type { Directory } from "../sys/directory.ts";
import type { Digest } from "./digest.ts";
import { ImageError } from "./errors.ts";
import type { ResolvedImage } from "./image-resolver.ts";
import { type LayerDecryptor, LayerFetcher } from "./layer-fetcher.ts";
import type { ImageLimits } from "./limits.ts";
import type { RegistryClient } from "./registry/client.ts";
import { LayerStore } from "./store/layer-store.ts";
import { OverlayRoots } from "./store/overlay-root.ts";
import { openStoreDirectory } from "./store/store-directory.ts";

/** All that images leave on this machine: layers, and the roots mounted from them. */
export class ImageStore {
  readonly #directory: Directory;
  readonly #layers: LayerStore;
  readonly #roots: OverlayRoots;
  readonly #fetcher: LayerFetcher;
  /** Layers that running pulls have fetched or rely on, with the number of these pulls. */
  readonly #reserved = new Map<Digest, number>();

  /** @throws ImageError `store` */
  constructor(path: string, limits: ImageLimits, log: Log, decrypt?: LayerDecryptor) {
    this.#directory = openStoreDirectory(path, log);
    this.#layers = new LayerStore(this.#directory, path, limits);
    this.#roots = new OverlayRoots(this.#directory, path, this.#layers, log);
    this.#fetcher = new LayerFetcher(this.#layers, limits, log, decrypt);
  }

  /**
   * Fetches an image's layers and mounts them.
   *
   * @returns the path of the root
   * @throws ImageError; the signal's reason
   */
  async mountImage(
    image: ResolvedImage,
    client: RegistryClient,
    bundlePath: string,
    signal: AbortSignal,
  ): Promise<string> {
    if (!isPlainBundlePath(bundlePath)) throw new ImageError("store", "the bundle's path is no plain absolute path");
    this.#roots.removeAbandoned();
    const diffIds = new Set(image.layers.map(({ diffId }) => diffId));
    this.#reserve(diffIds, 1);
    try {
      const layers = await this.#fetcher.fetch(image.layers, client, signal);
      if (layers.every(({ record }) => record.entries === 0)) {
        throw new ImageError("invalid-image", "the image's root file system is empty");
      }
      return this.#roots.mount(bundlePath, layers);
    } finally {
      this.#reserve(diffIds, -1);
    }
  }

  /** Unmounts a bundle's root and removes what the container wrote. */
  release(bundlePath: string): void {
    this.#roots.release(bundlePath);
  }

  /** Removes abandoned roots and layers that nothing uses. */
  removeUnused(): void {
    this.#roots.removeAbandoned();
    this.#layers.removeAllBut(new Set([...this.#roots.usedLayers(), ...this.#reserved.keys()]));
  }

  /** Lets go of the store. What is mounted stays. */
  close(): void {
    this.#directory.close();
  }

  #reserve(diffIds: ReadonlySet<Digest>, change: 1 | -1): void {
    for (const diffId of diffIds) {
      const count = (this.#reserved.get(diffId) ?? 0) + change;
      if (count > 0) this.#reserved.set(diffId, count);
      else this.#reserved.delete(diffId);
    }
  }
}

function isPlainBundlePath(path: string): boolean {
  return /^(\/[^/\0]+)+$/.test(path) && !/\/\.\.?(\/|$)/.test(path);
}
