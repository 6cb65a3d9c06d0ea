import type { Log } from "../core/log.ts";
import { mapConcurrently, SharedWork } from "./concurrency.ts";
import type { Digest } from "./digest.ts";
import { ImageError } from "./errors.ts";
import { ByteBudget } from "./layer/byte-budget.ts";
import type { LayerStream } from "./layer/unpack-stream.ts";
import type { ImageLimits } from "./limits.ts";
import type { Descriptor } from "./manifest.ts";
import { layerFormat } from "./media-types.ts";
import type { RegistryClient } from "./registry/client.ts";
import type { LayerRecord } from "./store/layer-record.ts";
import type { LayerStore } from "./store/layer-store.ts";
import type { RootLayer } from "./store/overlay-root.ts";

/** A layer of an image: what to transfer and what it must become. */
export interface ImageLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** Turns the bytes of one encrypted layer into plain ones; fails in place of the end when they aren't authentic. */
export type DecryptStream = (source: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

/**
 * Gets the key of an encrypted layer.
 *
 * @throws ImageError `decryption`
 */
export type LayerDecryptor = (layer: Descriptor, signal: AbortSignal) => Promise<DecryptStream>;

/** Brings the layers of images into the store: several at once, each only once however many pulls need it. */
export class LayerFetcher {
  readonly #store: LayerStore;
  readonly #limits: ImageLimits;
  readonly #log: Log;
  readonly #decrypt: LayerDecryptor | undefined;
  readonly #work = new SharedWork<Digest, LayerRecord>();

  constructor(store: LayerStore, limits: ImageLimits, log: Log, decrypt?: LayerDecryptor) {
    this.#store = store;
    this.#limits = limits;
    this.#log = log;
    this.#decrypt = decrypt;
  }

  /**
   * Fetches what is missing of an image.
   *
   * @param layers bottom layer first
   * @returns the layers to mount, bottom first; one that occurs twice stands where it occurs last, since there it wins
   * @throws ImageError; the signal's reason
   */
  async fetch(layers: readonly ImageLayer[], client: RegistryClient, signal: AbortSignal): Promise<RootLayer[]> {
    const unique = [...new Map(layers.toReversed().map((layer) => [layer.diffId, layer])).values()].reverse();
    const budget = new ByteBudget(this.#limits.maxUnpackedImageBytes, "the image");
    return await mapConcurrently(unique, this.#limits.maxConcurrentLayers, signal, async (layer, layerSignal) => {
      const record = await this.#obtain(layer, client, budget, layerSignal);
      return { diffId: layer.diffId, record };
    });
  }

  async #obtain(
    layer: ImageLayer,
    client: RegistryClient,
    budget: ByteBudget,
    signal: AbortSignal,
  ): Promise<LayerRecord> {
    const present = this.#store.find(layer.diffId);
    if (present !== undefined) {
      budget.take(present.tarBytes);
      return present;
    }
    const joined = this.#work.isRunning(layer.diffId);
    try {
      return await this.#work.run(layer.diffId, signal, (own) => this.#transfer(layer, client, budget, own));
    } catch (error) {
      // Another pull's registry may have failed where ours does not.
      if (!joined || signal.aborted) throw error;
      return await this.#obtain(layer, client, budget, signal);
    }
  }

  async #transfer(
    { descriptor, diffId }: ImageLayer,
    client: RegistryClient,
    imageBudget: ByteBudget,
    signal: AbortSignal,
  ): Promise<LayerRecord> {
    const { compression, encrypted } = layerFormat(descriptor.mediaType);
    // The key first: a registry doesn't wait for long while a key broker is asked.
    const decrypt = encrypted ? await this.#prepareDecryption(descriptor, signal) : undefined;
    const blob = await client.blob(descriptor, "layer", signal);
    const source = decrypt === undefined ? blob : decrypt(blob);
    const stream: LayerStream = { source, compression, diffId, compressedSize: descriptor.size, imageBudget };
    const record = await this.#store.add(stream, signal);
    const { entries, tarBytes } = record;
    this.#log.info("layer unpacked", { digest: descriptor.digest, diffId, entries, tarBytes });
    return record;
  }

  async #prepareDecryption(layer: Descriptor, signal: AbortSignal): Promise<DecryptStream> {
    if (this.#decrypt !== undefined) return await this.#decrypt(layer, signal);
    throw new ImageError("decryption", `layer ${layer.digest} is encrypted and no key provider is configured`);
  }
}
