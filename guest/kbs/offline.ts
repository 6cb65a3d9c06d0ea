import { decodeBase64 } from "../core/base64.ts";
import { isJsonObject, type JsonValue, parseJson } from "../core/json.ts";
import type { ResourceProvider } from "./client.ts";
import { KbsError } from "./errors.ts";
import type { ResourceUri } from "./resource-uri.ts";

/** Where the reference's `offline_fs_kbc` looks (spec/cdh.md 7.2). Part of the measured image, or the host could plant secrets. */
export const offlineResourceFile = "/etc/aa-offline_fs_kbc-resources.json";

/**
 * Resources from a file of the image in place of a key broker: a JSON object of standard base64 by `repository/type/tag`.
 *
 * @param readDocument content of {@link offlineResourceFile}, read at each request; undefined when there is no such file
 */
export function createOfflineProvider(readDocument: () => Uint8Array | undefined): ResourceProvider {
  return {
    getResource: async ({ path }: ResourceUri) => {
      const document = readDocument();
      const resources = document === undefined ? {} : parseResources(document);
      const encoded = resources[path];
      if (encoded === undefined) throw new KbsError("not-found", `offline resource ${path} is not in the file`);
      const resource = typeof encoded === "string" ? decodeBase64(encoded) : undefined;
      if (resource === undefined) throw new KbsError("not-found", `offline resource ${path} is not base64`);
      return resource;
    },
  };
}

function parseResources(document: Uint8Array): Readonly<Record<string, JsonValue>> {
  try {
    const resources = parseJson(document);
    if (isJsonObject(resources)) return resources;
  } catch {
    // The parser's message could name a secret's resource; the file's name says enough.
  }
  throw new KbsError("configuration", `${offlineResourceFile} is not a JSON object`);
}
