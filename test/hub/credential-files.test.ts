import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeCredentialFiles } from "../../guest/hub/index.ts";
import { parseResourceUri, type ResourceProvider } from "../../guest/kbs/index.ts";

const forever = new AbortController().signal;
const resources: ResourceProvider = {
  getResource: async ({ path }) => {
    if (path === "a/b/missing") throw new Error("not there");
    return Buffer.from(`content of ${path}`);
  },
};

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "podkeep-credentials-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const entry = (path: string, uri: string) => ({ path: join(root, path), resource: parseResourceUri(uri) });

test("threat 91: files are written as they are, for root only; the last entry of a path wins", async () => {
  await writeCredentialFiles(
    [entry("kms/key.json", "kbs:///a/b/1"), entry("kms/key.json", "kbs:///a/b/2")],
    resources,
    forever,
  );
  expect(readFileSync(join(root, "kms/key.json"), "utf8")).toBe("content of a/b/2");
  expect(statSync(join(root, "kms/key.json")).mode & 0o777).toBe(0o600);
  expect(statSync(join(root, "kms")).mode & 0o777).toBe(0o700);
});

test("one that can't be had stops the start, by the name of its file, and leaves no half file", async () => {
  const credentials = [entry("one", "kbs:///a/b/missing"), entry("two", "kbs:///a/b/2")];
  await expect(writeCredentialFiles(credentials, resources, forever)).rejects.toThrow(
    `credential ${root}/one: not there`,
  );
  expect(readdirSync(root)).toEqual([]);
});
