import { expect, test } from "vitest";
import { parseCloudVolumes } from "../../../guest/agent/volumes/cloud-volume-annotation.ts";

const volume = {
  mount_point: "/data",
  fs_type: "ext4",
  lun: "0",
  disk_id: "vol-0123",
  encrypt_type: "luks2",
  key_id: "default/volume/data",
};
const parse = (value: unknown) => parseCloudVolumes(JSON.stringify(value));

test("what cloud-api-adaptor writes, by name", () => {
  const second = {
    mount_point: "/cache/",
    fs_type: "",
    lun: "12",
    disk_id: "",
    fs_group: "2000",
    encrypt_type: "luks",
    key_id: "a/b/c",
  };
  expect(parse({ "vol-1": second, "vol-0": volume })).toEqual([
    {
      name: "vol-0",
      mountPoint: "/data",
      disk: { lun: 0, diskId: "vol-0123" },
      keyUri: "kbs:///default/volume/data",
      groupId: undefined,
    },
    {
      name: "vol-1",
      mountPoint: "/cache",
      disk: { lun: 12, diskId: undefined },
      keyUri: "kbs:///a/b/c",
      groupId: 2000,
    },
  ]);
  expect(parseCloudVolumes(undefined)).toEqual([]);
  expect(parseCloudVolumes("{}")).toEqual([]);
});

test.each([
  "",
  "{",
  "[]",
  "null",
  '"x"',
  '{"a":{}} x',
  '{"a":{},"a":{}}',
  "[".repeat(100),
  `{"a":"${"x".repeat(70_000)}"}`,
])("corrupt: %.40s", (text) => {
  expect(() => parseCloudVolumes(text)).toThrow("corrupt cloud_volumes annotation (pod would start without volumes)");
});

test("a member that is named twice is no JSON", () => {
  const twice = JSON.stringify({ "vol-0": volume }).replace('"lun"', '"lun":"1","lun"');
  expect(() => parseCloudVolumes(twice)).toThrow(/^corrupt/);
});

test.each(["", ".", "..", "a/b", "/a", "a\0", "a b", "-a", "ü", "a".repeat(64), "a\n"])(
  "threat 131: name %j is refused",
  (name) => expect(() => parse({ [name]: volume })).toThrow("cloud volume with unsafe name"),
);

test("names of prototypes are names", () => {
  expect(() => parseCloudVolumes(`{"__proto__":${JSON.stringify(volume)}}`)).toThrow("unsafe name");
  expect(parse({ constructor: volume }).map(({ name }) => name)).toEqual(["constructor"]);
  expect(() => parse({ a: { ...volume, lun: undefined } })).toThrow("malformed lun");
});

test.each([
  ["mount_point", ["", "data", "/", "//", "/.", "/../x", "/a/..", "/a\0", 1, null, {}]],
  ["lun", ["", "-1", "+1", "01", "1.0", "0x1", "1e1", " 1", "10000", "٣", 0]],
  ["disk_id", ["a b", "ü", "x".repeat(1025), 7]],
  ["fs_type", ["ext3", "xfs", "ext2", "btrfs", "ext4,exec", "EXT4"]],
  ["fs_group", ["-1", "x", "4294967295", "99999999999", "1.5", 2000]],
  ["encrypt_type", ["LUKS2", "luks1", "plain", "none", true]],
  ["key_id", ["", "a/b", "a/b/c/d", "kbs:///a/b/c", "../b/c", "a//c", "a/b/c?x", "a/b/c\n"]],
] as const)("malformed %s", (member, values) => {
  for (const value of values) {
    expect(() => parse({ v: { ...volume, [member]: value } }), String(value)).toThrow(/^cloud volume v: malformed /);
  }
});

test("unknown members, values that are no objects, one place for two, too many", () => {
  expect(() => parse({ v: { ...volume, read_only: "true" } })).toThrow('cloud volume v: malformed member "read_only"');
  for (const value of ["x", 1, null, []]) expect(() => parse({ v: value })).toThrow("cloud volume v: malformed value");
  expect(() => parse({ a: volume, b: { ...volume, mount_point: "/data/" } })).toThrow("one mount_point");
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`v${index}`, volume]));
  expect(() => parse(many)).toThrow("more than 32 volumes");
});

test("threats 115, 117: a volume without encryption is refused, and the message says so", () => {
  for (const encrypt_type of ["", undefined]) {
    expect(() => parse({ v: { ...volume, encrypt_type } })).toThrow(
      expect.objectContaining({
        code: "permission-denied",
        message: "cloud volume v is not encrypted: only LUKS2 volumes with encrypt_type and key_id are mounted",
      }),
    );
  }
});
