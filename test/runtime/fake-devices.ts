import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import type { DeviceTree } from "../../guest/runtime/data-disks/disk-status.ts";

/** A disk as sysfs and /dev show it. */
export interface FakeDisk {
  readonly name: string;
  /** Numbers of its node; those of a local use major when absent, so that nothing can be read from it. */
  readonly device?: string;
  /** `host:channel:target:lun` of a SCSI disk. */
  readonly scsi?: string;
  readonly model?: string;
  readonly serial?: string;
  readonly partitions?: readonly string[];
  readonly holders?: readonly string[];
  /** Links below /dev/disk. */
  readonly links?: readonly string[];
  /** False: sysfs shows it, its node is missing. */
  readonly hasNode?: boolean;
}

/** A /sys and a /dev of a test's own. Making nodes needs root. */
export class FakeDevices implements Disposable {
  readonly root: string;
  readonly tree: DeviceTree;
  #minor = 0;

  constructor(root = mkdtempSync(join(tmpdir(), "pk-disks-"))) {
    this.root = root;
    this.tree = { sys: join(root, "sys"), dev: join(root, "dev") };
    mkdirSync(join(this.tree.sys, "class/block"), { recursive: true });
    mkdirSync(this.tree.dev);
  }

  add(disk: FakeDisk): this {
    const number = disk.device ?? `240:${this.#minor++}`;
    const directory = join(this.tree.sys, "class/block", disk.name);
    this.#write(join(directory, "dev"), number);
    if (disk.model !== undefined) this.#write(join(directory, "device/model"), `${disk.model}   `);
    if (disk.serial !== undefined) this.#write(join(directory, "device/serial"), disk.serial);
    if (disk.scsi !== undefined) {
      const address = join(this.tree.sys, "devices", disk.scsi);
      mkdirSync(address, { recursive: true });
      symlinkSync(relative(directory, address), join(directory, "device"));
    }
    for (const name of disk.partitions ?? []) this.#write(join(directory, name, "partition"), "1");
    for (const name of disk.holders ?? []) this.#write(join(directory, "holders", name), "");
    if (disk.hasNode !== false) this.addNode(disk.name, number);
    for (const link of disk.links ?? []) this.#link(link, disk.name);
    return this;
  }

  addNode(name: string, number: string): void {
    execFileSync("mknod", [join(this.tree.dev, name), "b", ...number.split(":")]);
  }

  setChassisTag(tag: string): this {
    this.#write(join(this.tree.sys, "class/dmi/id/chassis_asset_tag"), tag);
    return this;
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  #write(file: string, text: string): void {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${text}\n`);
  }

  #link(link: string, disk: string): void {
    const path = join(this.tree.dev, "disk", link);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(join(relative(dirname(path), this.tree.dev), basename(disk)), path);
  }
}
