import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { describe, expect, test } from "vitest";
import { encodeCarrier } from "../../../guest/initdata/carrier.ts";
import { bytesOf, minimalAnnotation, minimalDocument } from "../../initdata/documents.ts";
import { createIsoImage } from "../../initdata/user-data/iso-image.ts";
import { Disks } from "./disks.ts";
import { cloudConfig, leaveFile, leftFiles, runProvision, setScene } from "./provision-fixture.ts";

const isRoot = getuid?.() === 0;
if (!isRoot) console.warn("test/compose/provision/disks: loop devices need root");

const minimalDigest = "86fd1cca6de294f50a2849145173d667321cbb7d2c401d0117cf8ffd689b0775";
const userData = cloudConfig({ "apf.json": "{}", initdata: minimalAnnotation });

describe.skipIf(!isRoot)("a disk with the label cidata", () => {
  test.each(["auto", "cidata"] as const)("is read as libvirt attaches it (%s)", async (source) => {
    await using disks = new Disks(setScene({ source }));
    disks.attach("vda", Buffer.alloc(65_536));
    disks.attach("sr0", createIsoImage({ files: { "user-data": userData, "meta-data": "local-hostname: x\n" } }));
    const { failure, log } = await runProvision(disks.scene);
    expect(failure).toBe("");
    expect(log).toContain(`"origin":"user data (${disks.scene.devices}/sr0)"`);
    expect(leftFiles(disks.scene)).toMatchObject({ "apf.json": "{}\n", "initdata.digest": minimalDigest });
  });

  test("gives way to the file, and is none by another label", async () => {
    await using disks = new Disks(setScene());
    disks.attach("sda", createIsoImage({ label: "config-2", files: { "user-data": "evil" } }));
    expect((await runProvision(disks.scene)).failure).toBe("");
    disks.attach("sdb", createIsoImage({ files: { "user-data": "evil" } }));
    leaveFile(disks.scene.cidata, userData);
    expect((await runProvision(disks.scene)).failure).toBe("");
    expect(leftFiles(disks.scene)["initdata.digest"]).toBe(minimalDigest);
  });

  test("is refused when it is broken, has no user data, or is not the only one; nothing is tried again", async () => {
    const brokenDisk = createIsoImage({ files: { "user-data": userData } }).subarray(0, 20 * 2048);
    const faults = [
      [[brokenDisk], "the disk is no sound ISO 9660 image: it ends too early"],
      [[createIsoImage({ files: { "meta-data": "x" } })], "the disk has no file user-data"],
      [[createIsoImage({ files: {} }), createIsoImage({ files: {} })], "several disks have the label cidata"],
    ] as const;
    for (const source of ["auto", "cidata"] as const) {
      for (const [images, problem] of faults) {
        await using disks = new Disks(setScene({ source }));
        for (const [index, image] of images.entries()) disks.attach(`sr${index}`, image);
        const { failure, log } = await runProvision(disks.scene);
        expect(failure).toContain(`user data: ${problem}`);
        expect(log).not.toContain("not there yet");
        expect(leftFiles(disks.scene)).toEqual({});
      }
    }
  });
});

describe.skipIf(!isRoot)("a block device that carries initdata", () => {
  test.each(["auto", "block-device"] as const)("is found among others by its magic (%s)", async (source) => {
    await using disks = new Disks(setScene({ source }));
    disks.attach("vda", Buffer.alloc(4096, 0xee));
    disks.attach("sdb", encodeCarrier(bytesOf(minimalDocument)));
    writeFileSync(join(disks.scene.devices, "vdz"), encodeCarrier(bytesOf("a plain file is no device")));
    expect((await runProvision(disks.scene)).failure).toBe("");
    expect(leftFiles(disks.scene)["initdata.digest"]).toBe(minimalDigest);
  });

  test("threat 86: two of them start nothing", async () => {
    await using disks = new Disks(setScene());
    for (const name of ["vda", "vdb"]) disks.attach(name, encodeCarrier(bytesOf(minimalDocument)));
    const { failure } = await runProvision(disks.scene);
    expect(failure).toMatch(/^several block devices carry initdata \(\S+vda, \S+vdb\); attach one of them only$/);
    expect(leftFiles(disks.scene)).toEqual({});
  });

  const carrier = encodeCarrier(bytesOf(minimalDocument));
  const withLength = (length: bigint): Uint8Array => {
    const image = Buffer.from(carrier);
    image.writeBigUInt64LE(length, 8);
    return image;
  };
  test.each([
    ["2^63", withLength(1n << 63n), "announces more than"],
    ["0", withLength(0n), "is empty"],
    ["more than the device has", withLength(4096n), "is shorter than it announces"],
    [
      "a text's",
      Buffer.concat([Buffer.from("initdata=nothing"), Buffer.alloc(496, 0x20)]),
      "does not start with the magic",
    ],
    ["less than the stream's", withLength(100n), "gzip: "],
  ])("threat 86: a length of %s is refused", async (_name, image, problem) => {
    await using disks = new Disks(setScene());
    disks.attach("vda", image);
    const { failure } = await runProvision(disks.scene);
    expect(failure).toMatch(/^the initdata of \S+\/vda can't be used: initdata: /);
    expect(failure).toContain(problem);
    expect(leftFiles(disks.scene)).toEqual({});
  });

  test("a configuration that requires one names the folder where there is none", async () => {
    const scene = setScene({ source: "block-device" });
    expect((await runProvision(scene)).failure).toBe(`no block device in ${scene.devices} carries initdata`);
  });
});
