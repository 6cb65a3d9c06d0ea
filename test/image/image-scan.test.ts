import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const image = resolve(import.meta.dirname, "../../image");

/** Packages that mkosi is told to install into the production root. A new line here is a decision. */
const rootPackages = [
  "crun",
  "cryptsetup-bin",
  "e2fsprogs",
  "iproute2",
  "kmod",
  "libatomic1",
  "libstdc++6",
  "linux-image-cloud-amd64",
  "systemd",
  "systemd-boot-efi",
  "systemd-repart",
  "systemd-resolved",
  "systemd-sysv",
  "udev",
];

/** What lets a cloud, or whoever rules it, run something in a VM. */
const wayIn =
  /waagent|cloud-(init|guest|utils)|google-(guest|osconfig|compute)|amazon-ssm|ec2-instance-connect|aliyun|qemu-guest-agent|open-vm-tools|hyperv-daemons|ssh|telnet|vsock.*shell/i;

test("threat 79: the production image has the packages that were agreed, and no agent of a cloud", () => {
  const configuration = readFileSync(join(image, "../mkosi.conf"), "utf8");
  const [, list = ""] = /^Packages=\n((?: +\S+\n)+)/m.exec(configuration) ?? [];
  const installed = list.trim().split(/\s+/);
  expect(installed.filter((name) => !rootPackages.includes(name))).toEqual([]);
  const production = readFileSync(join(image, "profiles/production.conf"), "utf8");
  expect(production).not.toMatch(/^Packages=/m);
});

test("threat 79: no file of the image's own tree lets anybody in", () => {
  const files = readdirSync(join(image, "tree"), { recursive: true, encoding: "utf8" });
  expect(files.filter((name) => wayIn.test(name))).toEqual([]);
  const units = files.filter((name) => name.endsWith(".service"));
  // Every program that a unit of ours starts is one of podkeep's.
  for (const unit of units) {
    const text = readFileSync(join(image, "tree", unit), "utf8");
    const programs = [...text.matchAll(/^Exec\w+=[-@:+!|]*(\S+)/gm)].map(([, program]) => program);
    expect(programs, unit).toEqual(["/usr/lib/podkeep/node"]);
  }
});
