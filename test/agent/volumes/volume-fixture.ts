import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EncryptedDisk, EncryptedDisks } from "../../../guest/agent/dependencies.ts";
import { cloudVolumesAnnotation } from "../../../guest/agent/volumes/cloud-volume-annotation.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import type { CreateContainerRequest } from "../../../guest/rpc/messages/agent.ts";
import type { MessageInit } from "../../../guest/rpc/method.ts";
import { isMountPoint, mount, readMountTable } from "../../../guest/sys/mount.ts";
import { FakeDevices } from "../../runtime/fake-devices.ts";
import { type FixtureOptions, GuestFixture, whyNoContainers } from "../guest-fixture.ts";
import { type ContainerOptions, containerRequest } from "../requests.ts";

/** Why tests with disks cannot run here; undefined when they can. */
export const whyNoDisks: string | undefined =
  whyNoContainers ?? (spawnSync("losetup", ["--find"]).status === 0 ? undefined : "needs loop devices");

if (whyNoDisks !== undefined && whyNoContainers === undefined)
  console.warn(`tests of volumes are skipped: ${whyNoDisks}`);

/** A hub that opens every disk with a LUKS2 header: its file system is a tmpfs. Remembers what it was asked for. */
class FakeHub implements EncryptedDisks {
  readonly calls: string[] = [];
  readonly open = new Set<string>();
  /** Where each mapping's file system was wanted. */
  readonly #places = new Map<string, string>();
  /** What goes wrong. `late`: the mount is there, but the call has failed. */
  trouble: "early" | "late" | "no-mount" | undefined;
  /** Opening takes until then. */
  opening: Promise<void> | undefined;

  async mount({ device, mapping, keyUri, mountPoint }: EncryptedDisk): Promise<void> {
    this.calls.push(`mount ${device.split("/").at(-1)} ${mapping} ${keyUri}`);
    if (!statSync(device).isBlockDevice()) throw new Error("no block device");
    await this.opening;
    this.#places.set(mapping, mountPoint);
    if (this.trouble === "early") throw new GuestError("internal", "[CDH] [ERROR]: Secure Mount failed");
    this.open.add(mapping);
    if (this.trouble !== "no-mount") mount({ source: "tmpfs", target: mountPoint, type: "tmpfs" });
    if (this.trouble === "late") throw new GuestError("deadline-exceeded", "the hub takes too long");
  }

  async close(mapping: string): Promise<void> {
    const isMounted = isMountPoint(this.#places.get(mapping) ?? "");
    this.calls.push(`close ${mapping}${isMounted ? " while mounted" : ""}`);
    this.open.delete(mapping);
  }
}

/** A guest with disks `vdb` and on, as libvirt attaches them. */
export class VolumeFixture {
  readonly hub = new FakeHub();
  readonly guest: GuestFixture;
  readonly #loops: string[] = [];

  constructor(options: FixtureOptions = {}) {
    const { dependencies, settings, ...others } = options;
    this.guest = new GuestFixture({
      ...others,
      settings: { dataDiskTimeoutMs: 0, csiTargetTimeoutMs: 1000, ...settings },
      dependencies: { encryptedDisks: this.hub, ...dependencies },
    });
    const devices = new FakeDevices(this.guest.root);
    const starts = ["4c554b53babe0002", "4c554b53babe0002", "4c554b53babe0001", "0000000000000000"];
    for (const [index, start] of starts.entries()) {
      devices.add({ name: `vd${"bcde"[index]}`, device: this.#attach(start) });
    }
  }

  /** The container with cloud volumes, each mounted at `/<name>`; `members` changes them. */
  request(
    id: string,
    luns: Readonly<Record<string, number>>,
    members: object = {},
    options: ContainerOptions = {},
  ): MessageInit<CreateContainerRequest> {
    const volumes = Object.entries(luns).map(([name, lun]) => [
      name,
      {
        mount_point: `/${name}`,
        fs_type: "ext4",
        lun: `${lun}`,
        disk_id: "",
        encrypt_type: "luks2",
        key_id: "a/b/c",
        ...members,
      },
    ]);
    const mounts = Object.keys(luns).map((name) => ({
      destination: `/${name}`,
      source: `/run/kata-containers/shared/direct-volumes/${name}`,
      type: "ext4",
      options: ["rbind", "rw"],
    }));
    return this.withAnnotation(id, cloudVolumesAnnotation, JSON.stringify(Object.fromEntries(volumes)), {
      ...options,
      mounts: [...mounts, ...(options.mounts ?? [])],
    });
  }

  withAnnotation(
    id: string,
    name: string,
    value: string,
    options: ContainerOptions = {},
  ): MessageInit<CreateContainerRequest> {
    const request = containerRequest(this.guest.paths, id, ["sleep", "1000"], options);
    return { ...request, OCI: { ...request.OCI, Annotations: { ...request.OCI?.Annotations, [name]: value } } };
  }

  isMounted(name: string): boolean {
    return isMountPoint(join(this.guest.paths.cloudVolumes, name));
  }

  /** Every file and mount of the guest, what its disks hold, and what the hub was asked for. */
  snapshot(): readonly string[] {
    const files = readdirSync(this.guest.root, { recursive: true, encoding: "utf8" }).map((name) => {
      const { mode, uid, gid, ino } = lstatSync(join(this.guest.root, name));
      return `${name} ${mode.toString(8)} ${uid}:${gid} ${ino}`;
    });
    const mounts = readMountTable().filter(({ mountPoint }) => mountPoint.startsWith(this.guest.root));
    const disks = this.#loops.map((loop) => execFileSync("sha256sum", [loop], { encoding: "utf8" }));
    return [...files.sort(), ...mounts.map(({ mountPoint }) => mountPoint), ...disks, ...this.hub.calls];
  }

  /** @returns what is left over */
  async close(): Promise<string[]> {
    const volumes = existsSync(this.guest.paths.cloudVolumes) ? readdirSync(this.guest.paths.cloudVolumes) : [];
    const left = [...(await this.guest.close()), ...volumes, ...this.hub.open];
    for (const loop of this.#loops) execFileSync("losetup", ["--detach", loop]);
    return left;
  }

  /** @returns the number of a loop device whose content begins so */
  #attach(start: string): string {
    const directory = join(this.guest.root, "disks");
    mkdirSync(directory, { recursive: true });
    const file = join(directory, `${this.#loops.length}`);
    writeFileSync(file, Buffer.concat([Buffer.from(start, "hex"), Buffer.alloc(65_528)]));
    const loop = execFileSync("losetup", ["--find", "--show", file], { encoding: "utf8" }).trim();
    this.#loops.push(loop);
    const number = statSync(loop).rdev;
    return `${number >> 8}:${number & 0xff}`;
  }
}
