import { randomUUID } from "node:crypto";
import type { Directory } from "../../sys/directory.ts";
import { readFileIfPresent, writeFileAtomically } from "../../sys/file.ts";
import { type Digest, digestFileName } from "../digest.ts";
import { type LayerStream, type StagedContent, unpackLayerStream } from "../layer/unpack-stream.ts";
import type { ImageLimits } from "../limits.ts";
import { encodeLayerRecord, type LayerRecord, parseLayerRecord } from "./layer-record.ts";
import { storeFolders } from "./store-directory.ts";

const rootName = "root";
const recordName = "layer.json";
/** All paths that a layer may keep, in hexadecimal, with what stands between them. */
const maxRecordBytes = 128 * 1024 * 1024;

/**
 * Unpacked layers by diff id (threat model row 111): a layer gets its name only when its bytes are proven, is never written
 * again, and serves every image that has it as a read-only lower directory.
 */
export class LayerStore {
  readonly #path: string;
  readonly #directory: Directory;
  readonly #limits: ImageLimits;
  readonly #records = new Map<Digest, LayerRecord>();

  /** @param directory the opened store, from `openStoreDirectory`; @param path its path */
  constructor(directory: Directory, path: string, limits: ImageLimits) {
    this.#directory = directory;
    this.#path = path;
    this.#limits = limits;
  }

  /** The layer, if it is here. */
  find(diffId: Digest): LayerRecord | undefined {
    const known = this.#records.get(diffId);
    if (known !== undefined) return known;
    const file = `${this.#path}/${layerPath(diffId)}/${recordName}`;
    const bytes = readFileIfPresent(file, maxRecordBytes);
    if (bytes === undefined) return undefined;
    const record = parseLayerRecord(bytes);
    this.#records.set(diffId, record);
    return record;
  }

  /**
   * Unpacks a layer and adds it. Nothing stays behind when that fails.
   *
   * @throws ImageError; the signal's reason
   */
  async add(stream: LayerStream, signal: AbortSignal): Promise<LayerRecord> {
    const staging = `${storeFolders.staging}/${randomUUID()}`;
    this.#directory.makeDirectory(staging, 0o700);
    try {
      const content = await this.#unpack(stream, staging, signal);
      writeFileAtomically(`${this.#path}/${staging}/${recordName}`, encodeLayerRecord(content));
      this.#directory.rename(staging, layerPath(stream.diffId), { replace: false });
      this.#records.set(stream.diffId, content);
      return content;
    } catch (error) {
      this.#directory.removeTree(staging);
      throw error;
    }
  }

  /** Opens a layer's root, to be mounted from or looked at; links in it are not followed. */
  openRoot(diffId: Digest): Directory {
    return this.#directory.openDirectory(`${layerPath(diffId)}/${rootName}`);
  }

  /** Removes all layers but these. Layers that are mounted must be among them. */
  removeAllBut(used: ReadonlySet<Digest>): void {
    const keep = new Set([...used].map(digestFileName));
    using layers = this.#directory.openDirectory(storeFolders.layers);
    for (const name of layers.list()) {
      if (!keep.has(name.toString("latin1"))) layers.removeTree(name);
    }
    for (const diffId of this.#records.keys()) {
      if (!used.has(diffId)) this.#records.delete(diffId);
    }
  }

  async #unpack(stream: LayerStream, staging: string, signal: AbortSignal): Promise<StagedContent> {
    using parent = this.#directory.openDirectory(staging);
    return await unpackLayerStream(stream, { parent, name: rootName }, this.#limits, signal);
  }
}

function layerPath(diffId: Digest): string {
  return `${storeFolders.layers}/${digestFileName(diffId)}`;
}
