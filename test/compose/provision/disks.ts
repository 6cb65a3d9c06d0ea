import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Scene } from "./provision-fixture.ts";

/** Block devices of a scene, each with an image behind it. */
export class Disks implements AsyncDisposable {
  readonly scene: Scene;
  readonly #loops: string[] = [];

  constructor(scene: Scene) {
    this.scene = scene;
  }

  attach(name: string, image: Uint8Array): void {
    const file = join(this.scene.devices, `${name}.image`);
    writeFileSync(file, image);
    const loop = execFileSync("losetup", ["--find", "--show", "--read-only", file], { encoding: "utf8" }).trim();
    this.#loops.push(loop);
    const number = /\d+$/.exec(loop)?.[0] ?? "";
    execFileSync("mknod", [join(this.scene.devices, name), "b", "7", number]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const loop of this.#loops) execFileSync("losetup", ["--detach", loop]);
  }
}
