import { getEventListeners } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getuid } from "node:process";
import { expect, test } from "vitest";
import { composeImagePull } from "../../guest/compose/hub/image-pull.ts";
import { silentLog } from "../../guest/core/log.ts";
import { defaultDataHubConfig } from "../../guest/hub/index.ts";
import { writeFileAtomically } from "../../guest/sys/file.ts";
import { unmount } from "../../guest/sys/mount.ts";
import { buildImage, buildLayer } from "../registry/image-builder.ts";
import { startRegistry } from "../registry/registry.ts";

const isRoot = getuid?.() === 0;
if (!isRoot) console.warn("test/compose/image-pull: mounting needs root");

test.skipIf(!isRoot)("K10: credentials that the host renews open the registry at the next pull", async () => {
  const account = { kind: "basic" as const, username: "pod", password: "old" };
  await using registry = await startRegistry({ auth: account });
  const reference = registry.push("private/a", "v1", buildImage([buildLayer([{ name: "a", content: "x" }])]));
  const directory = mkdtempSync(join(tmpdir(), "podkeep-image-pull-"));
  const stop = new AbortController();
  const hostCredentials = join(directory, "auth.json");
  const puller = composeImagePull({
    config: defaultDataHubConfig.image,
    storeDirectory: join(directory, "store"),
    hostCredentials,
    resources: { getResource: () => Promise.reject(new Error("not asked")) },
    log: silentLog,
    lifetime: stop.signal,
  });
  const renew = (password: string): void => {
    const auth = Buffer.from(`${account.username}:${password}`).toString("base64");
    writeFileAtomically(hostCredentials, JSON.stringify({ auths: { [registry.host]: { auth } } }));
  };
  const pull = async (name: string): Promise<void> => {
    await puller.pullImage(reference, join(directory, name), stop.signal);
    unmount(join(directory, name, "rootfs"));
  };
  try {
    await expect(pull("none")).rejects.toMatchObject({ kind: "access" });
    renew("old");
    await pull("first");
    account.password = "new";
    await expect(pull("outdated")).rejects.toMatchObject({ kind: "access" });
    renew("new");
    await pull("second");
    writeFileAtomically(hostCredentials, "{");
    await expect(pull("broken")).rejects.toThrow("registry auth file");
  } finally {
    stop.abort();
    rmSync(directory, { recursive: true, force: true });
  }
});

test("a pull that the key broker holds up leaves nothing open, however often it is tried again", async () => {
  const { signal } = new AbortController();
  const puller = composeImagePull({
    config: { ...defaultDataHubConfig.image, registryCredentials: { kind: "uri", uri: "kbs:///default/credential/a" } },
    storeDirectory: "/nowhere",
    hostCredentials: "/nowhere/auth.json",
    resources: { getResource: () => Promise.reject(new Error("the broker is away")) },
    log: silentLog,
    lifetime: signal,
  });
  for (let attempt = 0; attempt < 3; attempt += 1)
    await expect(puller.pullImage("quay.io/a/b:c", "/nowhere/bundle", signal)).rejects.toThrow("the broker is away");
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
