import { describe, expect, test } from "vitest";
import { convertMounts } from "../../guest/runtime/conversion/mounts.ts";
import { limitMemory, limitMemoryChange } from "../../guest/runtime/storage/memory-limit.ts";
import { totalMemoryBytes } from "../../guest/sys/memory.ts";

const gibibyte = 1024 ** 3;

describe("threat 120: a host chooses the options of memory volumes, but none is without limit", () => {
  test.each([
    [[], gibibyte, 262144],
    [["size=0"], gibibyte, 262144],
    [["size=67108864"], 67108864, 262144],
    [["size=65536k", "nr_inodes=1k"], 67108864, 1024],
    [["size=64m", "size=0"], gibibyte, 262144],
    [["size=1000g", "nr_inodes=0"], gibibyte, 262144],
    [["size=25%"], gibibyte / 2, 262144],
    [["size=400%"], gibibyte, 262144],
    [["nr_blocks=0"], gibibyte, 262144],
    [["nr_blocks=256"], 1024 ** 2, 262144],
    [["nr_blocks=256", "size=4k"], 4096, 262144],
    [["size=sixty"], gibibyte, 262144],
  ])("%j", (options, size, inodes) => {
    expect(limitMemory(options, 2 * gibibyte)).toEqual([`size=${size}`, `nr_inodes=${inodes}`]);
  });

  test("other options stay as they are", () => {
    expect(limitMemory(["noexec", "mode=755", "size=4096"], 2 * gibibyte).slice(0, 2)).toEqual(["noexec", "mode=755"]);
  });

  test("a change leaves alone what it doesn't name", () => {
    expect(limitMemoryChange(["ro"], 2 * gibibyte)).toEqual(["ro"]);
    expect(limitMemoryChange(["size=0"], 2 * gibibyte)).toEqual([`size=${gibibyte}`]);
    expect(limitMemoryChange(["nr_blocks=256"], 2 * gibibyte)).toEqual([`size=${1024 ** 2}`]);
    expect(limitMemoryChange(["nr_inodes=1000000"], 2 * gibibyte)).toEqual(["nr_inodes=262144"]);
  });

  test("a container's own tmpfs is held to it, too", () => {
    const tmpfs = { destination: "/cache", type: "tmpfs", source: "tmpfs", options: ["nosuid", "size=0"] };
    const [mount] = convertMounts([tmpfs]);
    expect(mount?.mount.options).toContain(`size=${Math.floor(totalMemoryBytes() / 2)}`);
    expect(mount?.mount.options).not.toContain("size=0");
  });
});
