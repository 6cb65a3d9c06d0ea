import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getuid } from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Configuration, defaultConfiguration } from "../../../guest/compose/configuration.ts";
import { provideStorage, type StorageRequest } from "../../../guest/compose/provision/storage.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import { createLog } from "../../../guest/core/log.ts";
import { availableMemoryBytes, totalMemoryBytes } from "../../../guest/sys/memory.ts";
import { isMountPoint, readMountTable, unmount } from "../../../guest/sys/mount.ts";

const isRoot = getuid?.() === 0;
if (!isRoot) console.warn("test/compose/provision/storage: mounting needs root");

let folder = "";
let lines = "";
const path = (name: string): string => join(folder, name);
const log = createLog((line) => {
  lines += line;
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "podkeep-storage-"));
  lines = "";
});
afterEach(() => {
  const mounts = readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(`${folder}/`));
  for (const { mountPoint } of mounts.reverse()) unmount(mountPoint);
  rmSync(folder, { recursive: true });
});

function configuration(storageLimit: string): Configuration {
  return {
    ...defaultConfiguration,
    agent: { ...defaultConfiguration.agent, stateDirectory: path("state"), runtimeDirectory: path("runtime") },
    hub: { ...defaultConfiguration.hub, imageStore: path("state/image") },
    provision: { ...defaultConfiguration.provision, directory: path("peerpod"), storageLimit },
  };
}

function provide(storageLimit: string, request: Partial<StorageRequest> = {}): Promise<void> {
  const signal = new AbortController().signal;
  return provideStorage({
    configuration: configuration(storageLimit),
    initdata: undefined,
    userData: undefined,
    log,
    signal,
    mountScratchSpace: () => Promise.reject(new GuestError("failed-precondition", "scratch space: no partition")),
    ...request,
  });
}

/** As cloud-init leaves it. */
function leaveMarker(): void {
  mkdirSync(path("peerpod"));
  writeFileSync(path("peerpod/scratch-space.marker"), "");
}

describe.skipIf(!isRoot)("without scratch space", () => {
  test("threat 120, V3: what pods can fill is a file system of its own, limited in bytes and in files", async () => {
    await provide("1%");
    const store = readMountTable().find(({ mountPoint }) => mountPoint === path("state/image"));
    expect(store).toMatchObject({ type: "tmpfs", source: "podkeep-storage" });
    expect(store?.options).toEqual(expect.arrayContaining(["nosuid", "nodev"]));
    expect(store?.options).not.toContain("noexec");
    const available = availableMemoryBytes() / 100;
    const option = (name: string): number =>
      Number(/=(\d+)/.exec(store?.superOptions.find((word) => word.startsWith(`${name}=`)) ?? "")?.[1]);
    expect(option("size") * 1024).toBeGreaterThan(available / 2);
    expect(option("size") * 1024).toBeLessThan(Math.min(2 * available, totalMemoryBytes() / 100));
    expect(option("nr_inodes")).toBeLessThan((option("size") * 1024) / 4096);
    expect(statSync(path("state/image")).mode & 0o777).toBe(0o700);
  });

  test("threat 120: so are the volumes and what the host copies in", async () => {
    await provide("1%");
    const { dev } = statSync(path("state/image"));
    for (const place of ["state/shared", "state/sandbox"]) expect(statSync(path(place)).dev).toBe(dev);
    expect(statSync(path("state")).dev).not.toBe(dev);
    writeFileSync(path("state/shared/a"), "copied");
    expect(readFileSync(path("state/image/volumes/shared/a"), "utf8")).toBe("copied");
    const tooMuch = Buffer.alloc(Math.ceil(totalMemoryBytes() / 100));
    expect(() => writeFileSync(path("state/shared/b"), tooMuch)).toThrow("ENOSPC");
  });

  test("a second run adds what a first one that failed has left out", async () => {
    await provide("1%");
    unmount(path("state/sandbox"));
    await provide("1%");
    expect(statSync(path("state/sandbox")).dev).toBe(statSync(path("state/image")).dev);
    const places = readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(`${folder}/`));
    expect(places.map(({ mountPoint }) => mountPoint).sort()).toEqual(
      ["state/image", "state/sandbox", "state/shared"].map(path),
    );
  });

  test("a second run changes nothing", async () => {
    await provide("1%");
    const before = readMountTable();
    await provide("1%");
    expect(readMountTable()).toEqual(before);
  });
});

test("without a limit nothing is mounted, and a marker is not passed over in silence", async () => {
  leaveMarker();
  await provide("");
  expect(isMountPoint(path("state/image"))).toBe(false);
  expect(lines).toContain("user data asks for scratch space");
});

test("V3: scratch space that can't be had starts nothing, and memory is not used in its place", async () => {
  leaveMarker();
  await expect(provide("50%")).rejects.toThrow("user data asks for scratch space, which can't be had");
  expect(isMountPoint(path("state/image"))).toBe(false);
});

test.skipIf(!isRoot)("user data without the marker counts more than one that is there", async () => {
  leaveMarker();
  const files = {
    forwarderConfiguration: undefined,
    registryCredentials: undefined,
    initdata: undefined,
    scratchSpace: false,
    refused: [],
  };
  await provide("1%", { userData: { source: "aws", origin: "user data (aws)", files } });
  expect(isMountPoint(path("state/image"))).toBe(true);
});

test.each(["0%", "100%", "50", "half", "-1%"])("a limit of %s is refused", async (limit) => {
  await expect(provide(limit)).rejects.toThrow("provision.storage_limit");
});
