import { expect, test } from "vitest";
import { createOfflineProvider, parseResourceUri } from "../../guest/kbs/index.ts";
import { forever } from "./world.ts";

const get = async (document: string | undefined, uri: string): Promise<string> => {
  const provider = createOfflineProvider(() => (document === undefined ? undefined : Buffer.from(document)));
  return Buffer.from(await provider.getResource(parseResourceUri(uri), forever)).toString("hex");
};

test("resources come from the file by their path, whatever host the URI names", async () => {
  const document = '{"default/key/1": "HUlOu8NWz8si11OZUzUJMnjiq/iZyHBJZMSD3BaqgMc="}';
  const key = "1d494ebbc356cfcb22d753995335093278e2abf899c8704964c483dc16aa80c7";
  expect(await get(document, "kbs:///default/key/1")).toBe(key);
  expect(await get(document, "kbs://host:1/default/key/1")).toBe(key);
});

test.each([
  [undefined, "is not in the file"],
  ["{}", "is not in the file"],
  ['{"__proto__": {"a/b/c": "AAAA"}}', "is not in the file"],
  ['{"a/b/c": "not base64!"}', "is not base64"],
  ['{"a/b/c": 7}', "is not base64"],
  ['{"a/b/c": "AAAA", "a/b/c": "BBBB"}', "is not a JSON object"],
  ["[]", "is not a JSON object"],
  ["", "is not a JSON object"],
])("threat 136: with the file %j nothing is given out", async (document, message) => {
  await expect(get(document, "kbs:///a/b/c")).rejects.toThrow(message);
});
