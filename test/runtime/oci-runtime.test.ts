import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGuestPaths, type GuestPaths } from "../../guest/runtime/guest-paths.ts";
import { OciRuntime } from "../../guest/runtime/oci-runtime.ts";
import { MissingProgramError, runtimeFailure } from "../../guest/runtime/runtime-failure.ts";
import { probeOciRuntime } from "../../guest/runtime/runtime-probe.ts";
import { detectCgroupHierarchy } from "../../guest/sys/cgroup-hierarchy.ts";

const isRoot = process.getuid?.() === 0;
const whyNot = (program: string): string | undefined =>
  !isRoot ? "needs root" : existsSync(program) ? undefined : `needs ${program}`;
for (const program of ["/usr/sbin/runc", "/usr/bin/crun"]) {
  const why = whyNot(program);
  if (why !== undefined) console.warn(`tests of ${program} are skipped: ${why}`);
}
const isHybrid = (): boolean => {
  const hierarchy = detectCgroupHierarchy();
  return hierarchy.kind === "legacy" && hierarchy.unifiedMountPoint !== undefined;
};

describe("an OCI runtime", () => {
  let root: string;
  let paths: GuestPaths;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "pk-"));
    paths = createGuestPaths({
      base: join(root, "run"),
      cgroupParent: `/pk-probe-${process.pid}`,
      networkNamespace: undefined,
    });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const runtime = (program: string): OciRuntime => new OciRuntime({ program, stateDirectory: join(root, "state") });
  let scripts = 0;
  function script(text: string): string {
    const file = join(root, `runtime-${scripts++}`);
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  test.skipIf(whyNot("/usr/sbin/runc") !== undefined)(
    "runc is found to work, and the probe leaves nothing",
    async () => {
      expect(await probeOciRuntime(runtime("/usr/sbin/runc"), paths)).toMatch(/^runc version /);
      expect(readdirSync(paths.base)).toEqual([]);
      expect(readdirSync("/sys/fs/cgroup").flatMap((name) => readdirSync(join("/sys/fs/cgroup", name)))).not.toContain(
        `pk-probe-${process.pid}`,
      );
    },
  );

  test.skipIf(whyNot("/usr/bin/crun") !== undefined)("crun is found to work, or its own reason is given", async () => {
    const probe = probeOciRuntime(runtime("/usr/bin/crun"), paths);
    if (isHybrid()) await expect(probe).rejects.toThrow(/does not work here: .*cgroups in hybrid mode not supported/);
    else expect(await probe).toMatch(/^crun version /);
  });

  test("one that is not there, fails, lies or says nothing is not taken for one that works", async () => {
    const cases: readonly [string, string][] = [
      [join(root, "missing"), "cannot be run"],
      [script("exit 3"), "cannot be run"],
      [script('case "$*" in *--version*) echo fake version 1;; esac'), "named no process"],
      [script('case "$*" in *--version*) echo fake;; *) exit 1;; esac'), "failed to create the container"],
      [script('for a; do case "$p" in --pid-file) echo 4242 > "$a";; esac; p=$a; done'), "claims to run a program"],
    ];
    for (const [program, reason] of cases) {
      const probe = probeOciRuntime(runtime(program), paths);
      await expect(probe).rejects.toMatchObject({ code: "failed-precondition" });
      await expect(probeOciRuntime(runtime(program), paths)).rejects.toThrow(reason);
    }
  });
});

describe("the reason of a failure", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "pk-"));
    mkdirSync(root, { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function failure(...lines: string[]): Error {
    writeFileSync(join(root, "log"), lines.join("\n"));
    return runtimeFailure("create", join(root, "log"));
  }

  test.each([
    ['runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH', "nope"],
    [
      'runc create failed: unable to start container process: exec: "/x/y": stat /x/y: no such file or directory',
      "/x/y",
    ],
    ["executable file `/x` not found in $PATH: No such file or directory", "/x"],
  ])("names the missing program: %s", (msg, program) => {
    const error = failure(JSON.stringify({ level: "error", msg }));
    expect(error).toBeInstanceOf(MissingProgramError);
    expect(error.message).toBe(`the file ${program} was not found`);
  });

  test("is the last error of the log, whatever else is in it", () => {
    const error = failure(
      JSON.stringify({ level: "error", msg: "first" }),
      JSON.stringify({ level: "error", msg: "second" }),
      JSON.stringify({ level: "warning", msg: "not this" }),
      "null",
      "[1]",
      '{"level":"error","msg":',
    );
    expect(error.message).toBe("the OCI runtime failed to create the container: second");
  });

  test("is missing when the runtime left no log", () => {
    expect(runtimeFailure("start", join(root, "none")).message).toBe("the OCI runtime failed to start the container");
  });
});
