import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConfiguration } from "../../guest/compose/configuration.ts";
import { buildFolder, imageFiles, imageFolder } from "../../image/folders.ts";
import { partitionsOf } from "../../image/sizes.ts";
import { pathInTools, runInTools } from "../../image/tools-tree.ts";

const disk = join(imageFolder, imageFiles.disk);
const isBuilt = existsSync(disk);
if (!isBuilt) console.warn("test/image: no disk image to look into; `npm run image -- --disk` builds it");

describe.skipIf(!isBuilt)("the production disk image", () => {
  const folder = isBuilt ? mkdtempSync(join(buildFolder, "root-")) : "";
  const root = join(folder, "tree");
  beforeAll(() => {
    const partition = partitionsOf(disk).find(({ name }) => name === "root-x86-64");
    if (partition === undefined) throw new Error("the disk has no root partition");
    runInTools("fsck.erofs", [`--extract=${pathInTools(root)}`, `--offset=${partition.start}`, pathInTools(disk)]);
    if (existsSync(join(root, "usr/bin/bash"))) throw new Error("this is a debug image: build the production one");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("threat 73: no shell, no interpreter but Node, no login, no package manager", () => {
    const programs = ["usr/bin", "usr/sbin"].flatMap((name) => readdirSync(join(root, name)));
    const banned =
      /^((ba|da|z|k|c|tc|rba)?sh|busybox|python.*|perl.*|[gm]?awk|login|sulogin|su|sudo|agetty|sshd?|apt.*|dpkg.*)$/;
    expect(programs.filter((name) => banned.test(name))).toEqual([]);
  });

  test("threat 79: no agent of a cloud, and nothing that takes its commands", () => {
    const folders = ["usr/bin", "usr/sbin", "usr/lib/systemd/system", "etc/systemd/system", "usr/lib"];
    const names = folders.flatMap((name) => readdirSync(join(root, name)));
    const wayIn = /waagent|cloud-|google-|amazon-|ssm-agent|aliyun|qemu-ga|guest-agent|vmtoolsd|hv_|ssh/i;
    expect(names.filter((name) => wayIn.test(name))).toEqual([]);
  });

  test("threat 73: getty and debug shell are masked; an emergency powers off", () => {
    for (const name of ["getty@.service", "serial-getty@.service", "console-getty.service", "debug-shell.service"]) {
      expect(readlinkSync(join(root, "etc/systemd/system", name)), name).toBe("/dev/null");
    }
    expect(readlinkSync(join(root, "etc/systemd/system/rescue.service"))).toBe("emergency.service");
  });

  test("threat 64: partitions that the host adds are neither mounted nor swapped to", () => {
    expect(readlinkSync(join(root, "etc/systemd/system-generators/systemd-gpt-auto-generator"))).toBe("/dev/null");
  });

  test("threat 72: no units are made of the kernel's command line", () => {
    const masked = join(root, "etc/systemd/system-generators");
    for (const name of ["debug", "getty", "run"])
      expect(readlinkSync(join(masked, `systemd-${name}-generator`)), name).toBe("/dev/null");
  });

  test("threat 72, 112: the kernel command line is fixed, takes no credentials and has the root's hash", () => {
    const options = commandLineOf(join(imageFolder, imageFiles.uki), folder);
    expect(options).toEqual(expect.arrayContaining([expect.stringMatching(/^roothash=[0-9a-f]{64}$/)]));
    expect(options).toContain("systemd.import_credentials=no");
    expect(options).toContain("systemd.verity_root_options=panic-on-corruption");
    expect(options.filter((option) => /^(init=|root=|rd\.|systemd\.debug)/.test(option))).toEqual([]);
  });

  test("I16: udev finds the drivers of every platform's devices", () => {
    const kernel = join(root, "usr/lib/modules");
    const files = readdirSync(kernel, { recursive: true, encoding: "utf8" });
    const read = (name: string): string =>
      readFileSync(join(kernel, files.find((file) => file.endsWith(name)) ?? name), "utf8");
    const loadable = files.filter((name) => name.endsWith(".ko.xz"));
    const builtIn = read("/modules.builtin").trim().split("\n");
    const modules = new Set([...loadable, ...builtIn].map((name) => basename(name).replace(/\.ko(\.xz)?$/, "")));
    const evidence = ["configfs", "tsm", "sev-guest", "tdx-guest", "vmw_vsock_virtio_transport", "hv_sock"];
    const disksAndNetworks = ["sr_mod", "nvme", "hv_netvsc", "ena", "gve", "virtio_net", "vxlan"];
    for (const name of [...evidence, ...disksAndNetworks]) expect(modules, name).toContain(name);
    const aliases = read("/modules.alias");
    for (const module of ["sev_guest", "tdx_guest", "sr_mod", "vmw_vsock_virtio_transport"])
      expect(aliases).toMatch(new RegExp(`^alias \\S+ ${module}$`, "m"));
  });

  test("threat 112: podkeep's configuration demands the verity root", () => {
    const configuration = parseConfiguration(readFileSync(join(root, "etc/podkeep/podkeep.toml"), "utf8"));
    expect(configuration.provision.root).toBe("verity");
  });

  test("P6: without a policy in the initdata, deny-all rules", () => {
    expect(readlinkSync(join(root, "etc/kata-opa/default-policy.rego"))).toBe("deny-all.rego");
  });

  test("threat 130: no program raises privileges", () => {
    const programs = ["usr/bin", "usr/sbin"].flatMap((name) =>
      readdirSync(join(root, name)).map((file) => join(name, file)),
    );
    expect(programs.filter((name) => (lstatSync(join(root, name)).mode & 0o6000) !== 0)).toEqual([]);
  });
});

function commandLineOf(uki: string, folder: string): string[] {
  const file = join(folder, "cmdline");
  runInTools("objcopy", ["-O", "binary", "--only-section=.cmdline", pathInTools(uki), pathInTools(file)]);
  return readFileSync(file, "utf8").replaceAll("\0", "").trim().split(/\s+/);
}
