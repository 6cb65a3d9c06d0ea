import { describe, expect, test } from "vitest";
import { GuestError } from "../../../guest/core/errors.ts";
import { type BlockVolume, parseBlockVolume } from "../../../guest/hub/secure-mount/volume-request.ts";

const empty = {
  deviceId: "8:16",
  sourceType: "empty",
  targetType: "fileSystem",
  encryptionType: "luks2",
};
const parse = (options: Readonly<Record<string, string>>, type = "block-device"): BlockVolume =>
  parseBlockVolume({ type, options, mountPoint: "/run/kata-containers/image/" });

test("the Kata agent's request for its image store", () => {
  const options = { ...empty, filesystemType: "ext4", mkfsOpts: "-E lazy_journal_init", dataIntegrity: "true" };
  expect(parse(options)).toEqual({
    device: { number: { major: 8, minor: 16 } },
    source: "empty",
    target: "fileSystem",
    key: undefined,
    integrity: true,
    mkfsOptions: ["-E", "lazy_journal_init"],
    mapperName: undefined,
    mountPoint: "/run/kata-containers/image",
  });
});

describe("requests that the reference refuses, too, or that no host may make", () => {
  test.each<[string, Record<string, string>, string?]>([
    ["volume type", {}, "BlockDevice"],
    ["OSS volumes", {}, "alibaba-cloud-oss"],
    ["deviceId without a minor number", { deviceId: "8" }],
    ["deviceId with text", { deviceId: "8:1x" }],
    ["sourceType", { sourceType: "new" }],
    ["encryptionType", { encryptionType: "luks" }],
    ["zfs", { encryptionType: "zfs" }],
    ["file system", { filesystemType: "xfs" }],
    ["target type", { targetType: "" }],
    ["an explicit key for an empty device", { key: "kbs:///default/volume-key/data" }],
    ["threat 131: mapper name as an option", { mapperName: "--help" }],
    ["mapper name as a path", { mapperName: "../loop0" }],
    ["device mapper's own node", { mapperName: "control" }],
    ["mkfs option", { mkfsOpts: "-b 1024" }],
    ["threat 131: mkfs with a file", { mkfsOpts: "-d /etc" }],
    ["mkfs option without its value", { mkfsOpts: "-O" }],
    ["mkfs device", { mkfsOpts: "/dev/sda" }],
  ])("%s", (_what, options, type) => {
    expect(() => parse({ ...empty, ...options }, type)).toThrow(GuestError);
  });
});
