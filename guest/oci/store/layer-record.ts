import { JsonObject } from "../json-object.ts";
import type { StagedContent } from "../layer/unpack-stream.ts";

/** What the store keeps of a layer beside its directory. */
export type LayerRecord = StagedContent;

/** The record as a file. Paths are bytes, so they are written in hexadecimal. */
export function encodeLayerRecord(record: LayerRecord): string {
  const impliedDirectories = record.impliedDirectories.map((path) => path.toString("hex"));
  return JSON.stringify({ ...record, impliedDirectories });
}

/** @throws ImageError `store` when the file isn't one of ours */
export function parseLayerRecord(bytes: Uint8Array): LayerRecord {
  const record = JsonObject.parse(bytes, "layer record", "store");
  return {
    entries: record.naturalNumber("entries"),
    tarBytes: record.naturalNumber("tarBytes"),
    hasRootEntry: record.optionalBoolean("hasRootEntry") ?? false,
    opaqueRoot: record.optionalBoolean("opaqueRoot") ?? false,
    impliedDirectories: record.strings("impliedDirectories").map((path) => Buffer.from(path, "hex")),
  };
}
