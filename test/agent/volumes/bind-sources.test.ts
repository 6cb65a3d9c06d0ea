import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { umask } from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GuestFixture, whyNoContainers } from "../guest-fixture.ts";
import { containerRequest, sandboxId } from "../requests.ts";
import { exec, failure } from "../running.ts";

describe.skipIf(whyNoContainers !== undefined)("forwarder.md 5.1, step 4: sources of bind mounts", () => {
  let guest: GuestFixture;
  const before = umask();
  beforeEach(async () => {
    // As the agent's unit has it.
    umask(0o077);
    guest = new GuestFixture();
    await guest.call("CreateSandbox", { sandbox_id: sandboxId });
  });
  afterEach(async () => {
    umask(before);
    await guest.call("DestroySandbox", {});
    expect(await guest.close()).toEqual([]);
  });
  const create = (...sources: readonly string[]): Promise<unknown> => {
    const mounts = sources.map((source, index) => ({
      destination: `/m${index}`,
      source,
      type: "bind",
      options: ["rbind"],
    }));
    return guest.call("CreateContainer", containerRequest(guest.paths, "c1", ["sleep", "1000"], { mounts }));
  };

  test("missing directories are made where hosts may point to, readable by every user of the container", async () => {
    const { sharedContainers, sandboxStorage } = guest.paths;
    const sources = [`${sharedContainers}/sandbox-1-cache/deep`, `${sandboxStorage}/local/cache`];
    await create(...sources);
    for (const source of [...sources, `${sharedContainers}/sandbox-1-cache`]) {
      const { mode, uid, gid } = statSync(source);
      expect([(mode & 0o7777).toString(8), uid, gid]).toEqual(["755", 0, 0]);
    }
    await guest.call("StartContainer", { container_id: "c1" });
    await exec(guest, "c1", "e1", ["sh", "-c", "echo x >/m0/file"]);
    expect(existsSync(`${sources[0]}/file`)).toBe(true);
  });

  test("what is there stays as it is: a file is bound as a file", async () => {
    const file = join(guest.paths.sharedContainers, "resolv.conf");
    writeFileSync(file, "nameserver 10.0.0.1\n", { mode: 0o600 });
    await create(file);
    await guest.call("StartContainer", { container_id: "c1" });
    expect((await exec(guest, "c1", "e1", ["cat", "/m0"])).stdout).toBe("nameserver 10.0.0.1\n");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("threat 41: nothing is made elsewhere, not even when another source of the request is right", async () => {
    const { sharedContainers, cloudVolumes, kubeletPods, base } = guest.paths;
    const good = `${sharedContainers}/good`;
    const elsewhere = [join(guest.root, "new"), `${base}/new`, `${cloudVolumes}/new`, `${kubeletPods}/new`];
    for (const source of elsewhere) {
      expect((await failure(create(good, source))).code).toBe("permission-denied");
      expect(existsSync(source)).toBe(false);
      expect(existsSync(good)).toBe(false);
    }
  });
});
