import { basename } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findDataDisk } from "../../guest/runtime/data-disks/data-disk.ts";
import type { DiskAddress } from "../../guest/runtime/data-disks/disk-candidates.ts";
import { readMountTable } from "../../guest/sys/mount.ts";
import { FakeDevices } from "./fake-devices.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("tests of data disks are skipped: need root to make device nodes");

describe.skipIf(!isRoot)("finding a data disk", () => {
  let devices: FakeDevices;
  const never = new AbortController().signal;
  const find = async (address: DiskAddress, timeoutMs = 0, signal = never): Promise<string> =>
    basename((await findDataDisk(address, { tree: devices.tree, timeoutMs, signal })).path);
  beforeEach(() => {
    devices = new FakeDevices();
  });
  afterEach(() => devices[Symbol.dispose]());

  describe("Azure", () => {
    const chassis = "7783-7084-3265-9085-8269-3286-77";
    const system = { name: "sda", scsi: "0:0:0:0", partitions: ["sda1", "sda14"] };
    const temporary = { name: "sdb", scsi: "0:0:0:1", partitions: ["sdb1"] };

    test.each([
      ["azure/data/by-lun/3", "azure/scsi1/lun2"],
      ["azure/scsi1/lun3", "azure/scsi1/lun2"],
      ["by-path/acpi-VMBUS:00-vmbus-0123-lun-3", "by-path/acpi-VMBUS:00-vmbus-0123-lun-33"],
    ])("by the link %s", async (link, other) => {
      devices.setChassisTag(chassis).add(system).add(temporary);
      devices
        .add({ name: "sdc", scsi: "1:0:0:9", links: [other] })
        .add({ name: "sdd", scsi: "1:0:0:8", links: [link] });
      expect(await find({ lun: 3 })).toBe("sdd");
    });

    test("a link by path to the first controller, which has the temporary disk, doesn't count", async () => {
      devices.setChassisTag(chassis).add({ ...temporary, partitions: [], links: ["by-path/vmbus-0-lun-1"] });
      devices.add({ name: "sdc", scsi: "1:0:0:1", links: ["by-path/vmbus-1-lun-1"] });
      expect(await find({ lun: 1 })).toBe("sdc");
    });

    test("without links, by SCSI address: the first controller last", async () => {
      devices.setChassisTag(chassis).add(system).add(temporary).add({ name: "sdc", scsi: "1:0:0:0" });
      expect(await find({ lun: 0 })).toBe("sdc");
      await expect(find({ lun: 1 })).rejects.toMatchObject({ message: "data disk 1 has partitions" });
      await expect(find({ lun: 2 })).rejects.toMatchObject({ code: "unavailable" });
    });
  });

  describe("AWS", () => {
    const ebs = { model: "Amazon Elastic Block Store" };
    const system = { name: "nvme0n1", ...ebs, serial: "vol0aaaa", partitions: ["nvme0n1p1"] };

    test("by the volume's id, which is the serial number, wherever it is", async () => {
      devices.add(system);
      for (const [index, serial] of ["vol0c", "vol0b", "vol0bb"].entries())
        devices.add({ name: `nvme${index + 1}n1`, ...ebs, serial });
      expect(await find({ lun: 0, diskId: "vol-0b" })).toBe("nvme2n1");
      await expect(find({ lun: 0, diskId: "vol-0d" })).rejects.toMatchObject({ code: "unavailable" });
      await expect(find({ lun: 0, diskId: "vol-0aaaa" })).rejects.toMatchObject({ code: "failed-precondition" });
    });

    test("without an id, by position; instance storage doesn't count", async () => {
      devices.add({ name: "nvme1n1", model: "Amazon EC2 NVMe Instance Storage", serial: "AWS1" }).add(system);
      for (const name of ["nvme10n1", "nvme2n1", "nvme3n1"]) devices.add({ name, ...ebs, serial: `vol${name}` });
      expect(await find({ lun: 0 })).toBe("nvme2n1");
      expect(await find({ lun: 2 })).toBe("nvme10n1");
    });
  });

  test("libvirt: vda has the system, so vdb is the first", async () => {
    for (const letter of ["a", "b", "c", "z"]) devices.add({ name: `vd${letter}` });
    expect(await find({ lun: 0 })).toBe("vdb");
    expect(await find({ lun: 1, diskId: "/var/lib/libvirt/images/data.raw" })).toBe("vdc");
    expect(await find({ lun: 24 })).toBe("vdz");
    for (const lun of [2, 25, 26, 9999]) await expect(find({ lun })).rejects.toMatchObject({ code: "unavailable" });
  });

  test("elsewhere, by SCSI address", async () => {
    devices.add({ name: "sda", scsi: "0:0:0:0", partitions: ["sda1"] });
    devices.add({ name: "sdb", scsi: "2:0:0:5" }).add({ name: "sdc", scsi: "2:0:5:0" });
    expect(await find({ lun: 5 })).toBe("sdb");
    expect(await find({ lun: 0 })).toBe("sdc");
  });

  test("threat 116: a disk that is in use is never taken, nor one with partitions", async () => {
    const device = readMountTable().find(({ device }) => !device.startsWith("0:"))?.device ?? "8:1";
    devices
      .add({ name: "vdb", partitions: ["vdb1"] })
      .add({ name: "vdc", holders: ["dm-0"] })
      .add({ name: "vdd", device });
    await expect(find({ lun: 0 })).rejects.toMatchObject({ message: "data disk 0 has partitions" });
    await expect(find({ lun: 1 })).rejects.toMatchObject({ message: "data disk 1 is in use" });
    await expect(find({ lun: 2 })).rejects.toMatchObject({ message: "data disk 2 is in use" });
  });

  test("threat 116: a link to a partition, to a mapping or to a node of another number is no disk", async () => {
    devices.add({ name: "sda", scsi: "1:0:0:7", partitions: ["sda1"] });
    devices.add({ name: "sda1", links: ["azure/scsi1/lun0"] }).add({ name: "dm-0", links: ["azure/scsi1/lun1"] });
    for (const lun of [0, 1]) {
      await expect(find({ lun })).rejects.toMatchObject({ message: `data disk ${lun} is not a whole disk` });
    }
    devices.add({ name: "sdb", scsi: "1:0:0:2", hasNode: false });
    devices.addNode("sdb", "1:0");
    await expect(find({ lun: 2 })).rejects.toMatchObject({ code: "unavailable" });
  });

  test("a disk that comes later is waited for; the caller's end ends the waiting", async () => {
    devices.add({ name: "vdb", device: "240:77", hasNode: false });
    const found = find({ lun: 0 }, 10_000);
    await setTimeout(300);
    devices.addNode("vdb", "240:77");
    expect(await found).toBe("vdb");

    const caller = new AbortController();
    const waiting = find({ lun: 1 }, 600_000, caller.signal);
    caller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
  });

  test("Azure: a disk that comes later is waited for, though the system's disk has its LUN on the first controller", async () => {
    devices.setChassisTag("7783-7084-3265-9085-8269-3286-77");
    devices.add({ name: "sda", scsi: "0:0:0:0", partitions: ["sda1"] });
    const found = find({ lun: 0 }, 10_000);
    await setImmediate();
    devices.add({ name: "sdc", scsi: "1:0:0:0" });
    expect(await found).toBe("sdc");
  });

  test("this machine's own disks can be looked at", async () => {
    const tree = { sys: "/sys", dev: "/dev" };
    const search = { tree, timeoutMs: 0, signal: never };
    await expect(findDataDisk({ lun: 9999 }, search)).rejects.toMatchObject({ code: "unavailable" });
  });
});
