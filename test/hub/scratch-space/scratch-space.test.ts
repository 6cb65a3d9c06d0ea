import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GuestError } from "../../../guest/core/errors.ts";
import { silentLog } from "../../../guest/core/log.ts";
import { mountScratchSpace } from "../../../guest/hub/index.ts";
import { parsePartitionTable } from "../../../guest/hub/scratch-space/partition-table.ts";
import { findScratchPartition } from "../../../guest/hub/scratch-space/scratch-partition.ts";
import type { StorageTools } from "../../../guest/hub/secure-mount/storage-tools.ts";
import { temporaryFolder } from "../secure-mount/luks-fixture.ts";
import { DiskTree, partitionTable } from "./disk-tree.ts";

const root = { name: "root-x86-64", start: 2048, size: 4096 };
const scratch = { name: "trusted_store", start: 8192, size: 4096 };

let folder: ReturnType<typeof temporaryFolder>;
let machine: DiskTree;
let commands: string[] = [];
let mounted: string[] = [];
let inUse = false;
let failing = "";
/** What systemd-repart does. */
let makePartition = (): void => {};

beforeEach(() => {
  folder = temporaryFolder();
  machine = new DiskTree(folder.path);
  [commands, mounted, inUse, failing, makePartition] = [[], [], false, "", () => {}];
});
afterEach(() => folder[Symbol.dispose]());

const tools: StorageTools = {
  run: async (name, args) => {
    commands.push(`${name} ${args.join(" ")}`);
    if (failing !== "" && commands.at(-1)?.includes(failing)) throw new GuestError("internal", `${failing} failed`);
    if (name === "systemd-repart") makePartition();
    return Buffer.from(
      args.includes("-n") ? "Creating filesystem with 1073741824 4k blocks and 134217728 inodes\n" : "",
    );
  },
  writeZeros: () => {},
  mountExt4: (source, target) => void mounted.push(`${source} ${target}`),
  findDevice: (device) => {
    if (!("number" in device)) throw new TypeError("asked for by path");
    return { path: `/dev/${device.number.major}:${device.number.minor}`, number: device.number };
  },
  isInUse: () => inUse,
  readEnds: () => {},
};

const find = (): string | undefined => findScratchPartition(machine, tools)?.path;
const provide = (): Promise<void> =>
  mountScratchSpace("/store", {
    tools,
    headerDirectory: join(folder.path, "headers"),
    folders: machine,
    partitionDefinitions: "/definitions",
    log: silentLog,
    signal: new AbortController().signal,
  });

describe("threat 116: the partition for scratch space", () => {
  test("is the one with the name, as the disk's own table has it", () => {
    machine.addDisk("vda", [root, scratch]);
    machine.addDisk("vdb", [{ ...root, name: "trusted_store2" }]);
    expect(find()).toBe("/dev/8:17");
  });

  test("is found on a disk with blocks of 4096 bytes", () => {
    machine.addDisk("nvme0n1", [root, scratch], undefined, 4096);
    expect(find()).toBe("/dev/8:17");
  });

  test("several of the name are refused, on one disk or on two", () => {
    machine.addDisk("vda", [root, scratch]);
    machine.addDisk("vdb", [scratch]);
    expect(find).toThrow("several partitions are named trusted_store (vda, partition 2, vdb, partition 1)");
    rmSync(join(machine.disks, "vdb"), { recursive: true });
    expect(find()).toBe("/dev/8:17");
    machine.addDisk("vdc", [scratch, { ...scratch, start: 16384 }]);
    expect(find).toThrow("several");
  });

  test("one in use is refused", () => {
    machine.addDisk("vda", [root, scratch]);
    inUse = true;
    expect(find).toThrow("in use");
  });

  test("one that the kernel has elsewhere is refused", () => {
    machine.addDisk("vda", [scratch], [root]);
    expect(find).toThrow("the kernel does not know partition 1");
  });

  test("devices of no hardware, unreadable ones and damaged tables have none", () => {
    mkdirSync(join(machine.disks, "loop0/queue"), { recursive: true });
    mkdirSync(join(machine.disks, "sr0/device"), { recursive: true });
    machine.addDisk("vda", [scratch]);
    writeFileSync(join(machine.nodes, "vda"), Buffer.alloc(100_000));
    expect(find()).toBeUndefined();
  });
});

test("every byte of a partition table counts, and none makes the parser fail", () => {
  const table = partitionTable([root, scratch]);
  expect(parsePartitionTable(table, 512).map(({ name }) => name)).toEqual(["root-x86-64", "trusted_store"]);
  for (let offset = 512; offset < 1024 + 256; offset++) {
    const changed = Buffer.from(table);
    changed.writeUInt8(changed.readUInt8(offset) ^ 0x55, offset);
    const found = parsePartitionTable(changed, 512);
    if (offset < 604 || offset >= 1024) expect(found, `offset ${offset}`).toEqual([]);
  }
  for (const length of [0, 511, 600, 1100]) expect(parsePartitionTable(table.subarray(0, length), 512)).toEqual([]);
});

describe("scratch space", () => {
  test("V3, threat 114: formatted anew with integrity, without a journal; mounted", async () => {
    machine.addDisk("vda", [root, scratch]);
    await provide();
    expect(mounted).toEqual(["/dev/mapper/podkeep-scratch /store"]);
    expect(commands[0]).toMatch(
      /^cryptsetup .*luksFormat .*--integrity hmac-sha256 --integrity-no-wipe .*-- \/dev\/8:17$/,
    );
    expect(commands[1]).toMatch(/ open .*--integrity-no-journal -- \/dev\/8:17 podkeep-scratch$/);
  });

  test("a disk of 4 TiB gets no more inodes than can be written at once", async () => {
    machine.addDisk("vda", [root, scratch]);
    await provide();
    expect(commands.at(-1)).toContain(" -O ^has_journal -m 0 -b 4096 -i 1048576 -E lazy_itable_init=0 ");
  });

  test("a failure closes it again and mounts nothing", async () => {
    machine.addDisk("vda", [scratch]);
    failing = "mkfs.ext4";
    await expect(provide()).rejects.toThrow("mkfs.ext4 failed");
    expect(commands.at(-1)).toMatch(/^cryptsetup close .* podkeep-scratch$/);
    expect(mounted).toEqual([]);
  });

  test("without a partition one is made from the disk's free room", async () => {
    machine.addDisk("vda", [root]);
    makePartition = () => {
      rmSync(join(machine.disks, "vda"), { recursive: true });
      machine.addDisk("vda", [root, scratch]);
    };
    await provide();
    expect(commands[0]).toBe("systemd-repart --dry-run=no --definitions=/definitions");
    expect(commands[1]).toMatch(/luksFormat .* \/dev\/9:17$/);
  });

  test("without room for one it says so", async () => {
    machine.addDisk("vda", [root]);
    await expect(provide()).rejects.toThrow("the disk has no free room");
    failing = "systemd-repart";
    await expect(provide()).rejects.toThrow("no partition is named trusted_store, and none could be made");
    expect(commands.some((command) => command.includes("luksFormat"))).toBe(false);
  });
});
