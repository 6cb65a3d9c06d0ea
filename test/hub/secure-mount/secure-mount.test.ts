import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ErrorCode, GuestError } from "../../../guest/core/errors.ts";
import { silentLog } from "../../../guest/core/log.ts";
import { createSecureMounts, type SecureMounts } from "../../../guest/hub/index.ts";
import type { StorageTools } from "../../../guest/hub/secure-mount/storage-tools.ts";
import { cryptsetup, formatted, opensWith, tampered, temporaryFolder } from "./luks-fixture.ts";

const ownersKey = Buffer.from("32 bytes and a newline of a key\n");
const signal = new AbortController().signal;

/** What a fake program was given. */
interface Run {
  readonly name: string;
  /** Permissions of the header and of its folder. */
  readonly headerMode: string | undefined;
  readonly args: readonly string[];
  readonly stdin: Buffer | undefined;
  readonly signal: AbortSignal | undefined;
  /** Content of the file after --header, when there is one. */
  readonly header: Buffer | undefined;
}

let folder: ReturnType<typeof temporaryFolder>;
let runs: Run[] = [];
let mounts: string[] = [];
let zeros: string[] = [];
let plannedBlocks = 262144;
/** What mkfs.ext4 says of a file system of 1 GiB. */
const mkfsPlan = (): string => `Creating filesystem with ${plannedBlocks} 4k blocks and 65536 inodes
Superblock backups stored on blocks:${" "}
\t32768, 98304, 163840, 229376

`;
/** Fails the program whose arguments contain it. */
let failing: string | undefined;
let failingWith: ErrorCode = "internal";
/** Runs while a program does. */
let during = (_args: readonly string[]): void => {};
let device = "";
let nextMinor = 16;
let closedBefore = false;
let inUse = false;
let signature = false;
let unreadable = false;

beforeEach(() => {
  folder = temporaryFolder();
  mkdirSync(join(folder.path, "volumes"));
  device = join(folder.path, "device");
  writeFileSync(device, Buffer.alloc(1024 * 1024));
  closedBefore = false;
  plannedBlocks = 262144;
  [failingWith, during] = ["internal", () => {}];
  [runs, mounts, zeros, failing, inUse, signature, unreadable] = [[], [], [], undefined, false, false, false];
});
afterEach(() => folder[Symbol.dispose]());

const tools: StorageTools = {
  run: async (name, args, { stdin, signal }) => {
    const file = args[args.indexOf("--header") + 1];
    const header = args.includes("--header") && file !== undefined && existsSync(file) ? readFileSync(file) : undefined;
    const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    const headerMode = header && file && `${modeOf(file)} in ${modeOf(dirname(file))}`;
    const input = stdin instanceof Uint8Array ? Buffer.from(stdin) : undefined;
    runs.push({ name, headerMode, args, stdin: input, signal, header });
    if (name === "blkid" && !signature)
      throw new GuestError("internal", "blkid ended with code 2", { fields: { exitCode: 2 } });
    if (args.includes("close") && closedBefore)
      throw new GuestError("internal", "cryptsetup ended with code 4", { fields: { exitCode: 4 } });
    if (failing !== undefined && [name, ...args].includes(failing)) throw new GuestError(failingWith, `${name} failed`);
    during(args);
    if (args.includes("luksFormat") && file !== undefined) writeFileSync(file, "a header");
    return Buffer.from(args.includes("-n") ? mkfsPlan() : "");
  },
  writeZeros: (path, offset, count) => void zeros.push(`${path} ${offset} ${count}`),
  mountExt4: (source, target) => void mounts.push(`${source} ${readlinkSync(target)}`),
  findDevice: () => ({ path: device, number: { major: 8, minor: nextMinor++ } }),
  isInUse: () => inUse,
  readEnds: () => {
    if (unreadable) throw new Error("Input/output error");
  },
};

function mounter(): SecureMounts {
  const getResource = async ({ path }: { readonly path: string }): Promise<Uint8Array> => {
    if (path === "default/volume-key/data") return Buffer.from(ownersKey);
    throw new GuestError("not-found", "no such resource");
  };
  return createSecureMounts({
    tools,
    headerDirectory: join(folder.path, "headers"),
    mountRoots: [join(folder.path, "volumes")],
    keys: { resources: { getResource }, keyServices: new Map(), skipVerification: false },
    log: silentLog,
  });
}

const place = (): string => join(folder.path, "volumes/data");
const empty = {
  deviceId: "8:16",
  sourceType: "empty",
  targetType: "fileSystem",
  encryptionType: "luks2",
  dataIntegrity: "false",
};
const encrypted = {
  devicePath: "/dev/sdc",
  sourceType: "encrypted",
  targetType: "fileSystem",
  encryptionType: "luks2",
  key: "kbs:///default/volume-key/data",
  mapperName: "caa-data",
};

function mount(options: Readonly<Record<string, string>>, type = "block-device", mounts = mounter()): Promise<void> {
  return mounts.mount({ type, options, mountPoint: place() }, signal);
}

const leftHeaders = (): string[] =>
  existsSync(join(folder.path, "headers")) ? readdirSync(join(folder.path, "headers")) : [];
const commands = (): string[] =>
  runs.map(({ name, args }) =>
    `${name} ${args.find((word) => /^(luksFormat|open|close|-n)$/.test(word)) ?? ""}`.trim(),
  );

describe("an empty device", () => {
  test("K3: is formatted with a key of its own, opened, given a file system and mounted", async () => {
    await mount({ ...empty, mkfsOpts: "-O ^has_journal -m 0 -i 163840 -I 128", mapperName: "store" });
    expect(commands()).toEqual(["blkid", "cryptsetup luksFormat", "cryptsetup open", "mkfs.ext4"]);
    const [, format, open, mkfs] = runs;
    expect(format?.args).toEqual(expect.arrayContaining(["luks2", "aes-xts-plain64", "4096", "pbkdf2"]));
    expect(format?.args).not.toContain("--integrity");
    expect(format?.stdin?.length).toBe(64);
    expect(open?.stdin).toEqual(format?.stdin);
    expect(open?.args.slice(-3)).toEqual(["--", device, "store"]);
    expect(open?.header?.toString()).toBe("a header");
    expect(mkfs?.args).toEqual("-F -q -O ^has_journal -m 0 -i 163840 -I 128 -b 4096 -- /dev/mapper/store".split(" "));
    expect(mounts).toEqual([`/dev/mapper/store ${place()}`]);
  });

  test("threat 114: integrity is on unless it is declined", async () => {
    const { dataIntegrity: _, ...unsaid } = empty;
    await mount({ ...unsaid, targetType: "device" });
    expect(runs[1]?.args.join(" ")).toContain("--integrity hmac-sha256 --integrity-no-wipe");
    expect(runs[2]?.args).toContain("--integrity-no-journal");
  });

  test("with integrity, what mkfs.ext4 reads is written first, and all inode tables at once", async () => {
    await mount({ ...empty, dataIntegrity: "true", mapperName: "store", mkfsOpts: "-E lazy_journal_init" });
    expect(commands().slice(3)).toEqual(["mkfs.ext4 -n", "mkfs.ext4"]);
    expect(zeros).toEqual([0, 32768, 98304, 163840, 229376].map((block) => `/dev/mapper/store ${block * 4096} 4096`));
    expect(runs.at(-1)?.args).toEqual(
      "-F -q -b 4096 -i 32768 -E lazy_journal_init,lazy_itable_init=0 -- /dev/mapper/store".split(" "),
    );
  });

  test.each([
    [100, 32768],
    [128, 32768],
    [129, 65536],
    [4 * 1024, 1024 * 1024],
    [1024 * 1024, 64 * 1024 * 1024],
  ])("inode tables that are written at once stay at 1 GiB: a disk of %d GiB", async (gibibytes, bytesPerInode) => {
    plannedBlocks = gibibytes * 262144;
    await mount({ ...empty, dataIntegrity: "true" });
    expect(runs.at(-1)?.args.join(" ")).toContain(` -i ${bytesPerInode} `);
    await mount({ ...empty, dataIntegrity: "true", mkfsOpts: "-i 4096" });
    expect(runs.at(-1)?.args.join(" ")).toContain("-i 4096 ");
    expect(runs.at(-1)?.args.filter((word) => word === "-i")).toHaveLength(1);
  });

  test("targetType device: a link, and no file system", async () => {
    await mount({ ...empty, targetType: "device", mapperName: "raw" });
    expect(readlinkSync(place())).toBe("/dev/mapper/raw");
    expect(commands()).not.toContain("mkfs.ext4");
  });

  test("threat 118: one that holds something is not formatted, nor one that is in use", async () => {
    signature = true;
    await expect(mount(empty)).rejects.toMatchObject({ code: "failed-precondition" });
    expect(commands()).toEqual(["blkid"]);
    signature = false;
    inUse = true;
    await expect(mount(empty)).rejects.toMatchObject({ code: "failed-precondition" });
    expect(commands()).toEqual(["blkid"]);
  });

  test("threat 118: one that can't be read is not formatted, though blkid finds nothing on it", async () => {
    unreadable = true;
    await expect(mount(empty)).rejects.toThrow("Input/output error");
    expect(commands()).not.toContain("cryptsetup luksFormat");
  });

  test.each(["luksFormat", "open", "mkfs.ext4"])("a failure of %s leaves nothing behind", async (step) => {
    failing = step;
    await expect(mount(empty)).rejects.toMatchObject({ code: "internal" });
    expect(leftHeaders()).toEqual([]);
    expect(mounts).toEqual([]);
    expect(commands().includes("cryptsetup close")).toBe(step === "mkfs.ext4");
  });

  test("two at a time, on whatever devices, are one after the other: deriving a key may take half of the memory", async () => {
    const mounts = mounter();
    await Promise.all([
      mount({ ...empty, targetType: "device" }, "block-device", mounts),
      mount(empty, "block-device", mounts).catch(() => {}),
    ]);
    expect(commands().slice(0, 3)).toEqual(["blkid", "cryptsetup luksFormat", "cryptsetup open"]);
  });

  test("when cryptsetup takes too long and is killed, all parts that it may have opened are closed", async () => {
    [failing, failingWith, closedBefore] = ["open", "deadline-exceeded", true];
    await expect(mount({ ...empty, mapperName: "store" })).rejects.toMatchObject({ code: "deadline-exceeded" });
    expect(runs.slice(-2).map(({ args }) => args)).toEqual([
      ["close", "--", "store"],
      ["close", "--", "store_dif"],
    ]);
    expect(leftHeaders()).toEqual([]);
  });

  test("a caller who gives up doesn't end cryptsetup between two parts of a mapping", async () => {
    const caller = new AbortController();
    await mounter().mount({ type: "block-device", options: empty, mountPoint: place() }, caller.signal);
    const endWithCaller = runs.filter(({ signal }) => signal === caller.signal).map(({ name }) => name);
    expect(endWithCaller).toEqual(["blkid", "mkfs.ext4"]);
  });

  test("a mapping that is another's stays when cryptsetup fails by itself, or never runs", async () => {
    failing = "open";
    await expect(mount(empty)).rejects.toMatchObject({ code: "internal" });
    expect(commands()).not.toContain("cryptsetup close");
    failing = undefined;
    const caller = new AbortController();
    during = () => caller.abort(new GuestError("deadline-exceeded", "too late"));
    const request = { type: "block-device", options: empty, mountPoint: place() };
    await expect(mounter().mount(request, caller.signal)).rejects.toThrow("too late");
    expect(commands()).not.toContain("cryptsetup close");
  });

  test("a caller who has given up in the meantime gets nothing mounted", async () => {
    const caller = new AbortController();
    during = (args) => {
      if (args.includes("open")) caller.abort(new GuestError("deadline-exceeded", "too late"));
    };
    const request = { type: "block-device", options: { ...empty, targetType: "device" }, mountPoint: place() };
    await expect(mounter().mount(request, caller.signal)).rejects.toThrow("too late");
    expect(commands().at(-1)).toBe("cryptsetup close");
    expect(lstatSync(place(), { throwIfNoEntry: false })).toBeUndefined();
  });

  test("the end of the program takes no volume away: containers use them", async () => {
    const mounts = mounter();
    await mount({ ...empty, targetType: "device", mapperName: "raw" }, "block-device", mounts);
    await mounts.close();
    expect(commands()).not.toContain("cryptsetup close");
    expect(readlinkSync(place())).toBe("/dev/mapper/raw");
  });

  test("the end of the program waits until a volume that is being opened is mounted or taken back", async () => {
    const mounts = mounter();
    const caller = new AbortController();
    const request = { type: "block-device", options: { ...empty, targetType: "device" }, mountPoint: place() };
    const mounting = mounts.mount(request, caller.signal);
    const refused = expect(mounting).rejects.toThrow("the hub ends");
    during = (args) => {
      if (args.includes("open")) caller.abort(new GuestError("aborted", "the hub ends"));
    };
    await mounts.close();
    expect(commands().at(-1)).toBe("cryptsetup close");
    await refused;
  });
});

if (cryptsetup === undefined) console.warn("test/hub/secure-mount: cryptsetup is not installed (cryptsetup-bin)");

describe.skipIf(cryptsetup === undefined)("an encrypted device", () => {
  let original: Buffer = Buffer.alloc(0);
  beforeAll(() => {
    original = formatted(ownersKey);
  });
  beforeEach(() => writeFileSync(device, original));

  test("K3: opens with the key of the key broker, newline included, and a judged copy of its header", async () => {
    await mount(encrypted);
    expect(commands()).toEqual(["cryptsetup open"]);
    const [open] = runs;
    expect(open?.args.slice(-3)).toEqual(["--", device, "caa-data"]);
    expect(open?.stdin).toEqual(ownersKey);
    expect(open?.header?.length).toBe(16 * 1024 * 1024);
    expect(opensWith(open?.header ?? Buffer.alloc(0), open?.stdin ?? Buffer.alloc(0))).toBe(true);
    expect(open?.headerMode).toBe("600 in 700");
    expect(leftHeaders()).toEqual([]);
    expect(mounts).toEqual([`/dev/mapper/caa-data ${place()}`]);
  });

  test("while its header is read, the hub goes on with its other business", async () => {
    let turns = 0;
    const count = (): void => {
      turns++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    await mount(encrypted).finally(() => clearImmediate(next));
    expect(turns).toBeGreaterThan(10);
  });

  test("threat 113: a tampered header never reaches cryptsetup", async () => {
    writeFileSync(
      device,
      tampered(original, (json) => json.replaceAll("aes-xts-plain64", "cipher_null-ecb")),
    );
    await expect(mount(encrypted)).rejects.toMatchObject({ code: "failed-precondition" });
    expect(runs).toEqual([]);
    expect(leftHeaders()).toEqual([]);
  });

  test("threat 115: a device that is not encrypted is refused, as is one without the integrity that was asked for", async () => {
    await expect(mount({ ...encrypted, dataIntegrity: "true" })).rejects.toThrow("segment.integrity");
    writeFileSync(device, Buffer.alloc(1024 * 1024));
    await expect(mount(encrypted)).rejects.toThrow("no LUKS header");
    expect(runs).toEqual([]);
  });
});

test("threat 119: no key is in an argument, an environment or a file", async () => {
  await mount({ ...empty, dataIntegrity: "true" });
  if (cryptsetup !== undefined) {
    writeFileSync(device, formatted(ownersKey));
    await mounter().mount(
      { type: "block-device", options: encrypted, mountPoint: join(folder.path, "volumes/b") },
      signal,
    );
  }
  const keys = runs.flatMap(({ stdin }) => (stdin === undefined ? [] : [stdin]));
  expect(keys.length).toBeGreaterThan(1);
  for (const key of keys) {
    for (const form of [key.toString("latin1"), key.toString("hex"), key.toString("base64")])
      expect(runs.some(({ args }) => args.some((word) => word.includes(form)))).toBe(false);
    for (const { header } of runs) expect(header?.includes(key) ?? false).toBe(false);
  }
});

describe("requests that no host may make", () => {
  test.each([
    ["no key", { key: undefined }],
    ["another scheme", { key: "http://x/y" }],
    ["a file of the guest's, which would be the host's choice", { key: "file:///etc/machine-id" }],
    ["a resource that isn't there", { key: "kbs:///default/volume-key/other" }],
    ["a device outside of /dev", { devicePath: "/etc/shadow" }],
    ["a path with dots", { devicePath: "/dev/../etc/shadow" }],
    ["no device", { devicePath: undefined }],
  ])("encrypted: %s", async (_what, change) => {
    const options = Object.fromEntries(
      Object.entries({ ...encrypted, ...change }).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    await expect(mount(options)).rejects.toBeInstanceOf(Error);
    expect(runs).toEqual([]);
  });

  test.each(["/etc/data", "/", "relative", "/proc/1/root"])("mount point %s", async (mountPoint) => {
    await expect(mounter().mount({ type: "block-device", options: empty, mountPoint }, signal)).rejects.toMatchObject({
      code: expect.stringMatching(/permission-denied|invalid-argument/),
    });
    expect(runs).toEqual([]);
  });
});
