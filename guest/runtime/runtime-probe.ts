import { posix } from "node:path";
import { GuestError, messageOf } from "../core/errors.ts";
import { Cgroup } from "../sys/cgroup.ts";
import { makeDirectories, removeTreeSafely, writeFileAtomically } from "../sys/file.ts";
import type { GuestPaths } from "./guest-paths.ts";
import { encodeOciJson } from "./oci-json.ts";
import type { OciRuntime } from "./oci-runtime.ts";
import type { OciSpec } from "./oci-spec.ts";
import { MissingProgramError } from "./runtime-failure.ts";

const probeId = "podkeep-probe";

/**
 * Finds out whether the OCI runtime works on this machine, by making a container with namespaces, cgroup and /proc whose program
 * is missing: a runtime that gets as far as to say so works. Takes about 30 ms and leaves nothing behind.
 *
 * @returns its version
 * @throws GuestError `failed-precondition` with the runtime's reason, such as crun's on machines with hybrid cgroups
 *   (spec/local-lab.md 7)
 */
export async function probeOciRuntime(runtime: OciRuntime, paths: GuestPaths): Promise<string> {
  const version = await runtime.version().catch((error: unknown) => {
    throw new GuestError("failed-precondition", "the OCI runtime cannot be run", { cause: error });
  });
  // The leading dot keeps it apart from every container's bundle.
  const bundle = posix.join(paths.base, `.${probeId}`);
  const rootfs = posix.join(bundle, "rootfs");
  for (const name of ["dev", "proc"]) makeDirectories(posix.join(rootfs, name));
  // Beside the containers' group, so that it can be removed whoever is in that.
  const cgroupPath = `${paths.cgroupParent}-probe`;
  const spec = probeSpec(rootfs, cgroupPath);
  writeFileAtomically(posix.join(bundle, "config.json"), encodeOciJson(spec));
  try {
    await expectMissingProgram(runtime, bundle);
    return version;
  } finally {
    await runtime.delete(probeId, bundle).catch(() => {
      // Nothing was created, and what cannot be deleted is not worth hiding the probe's result.
    });
    await Cgroup.at(cgroupPath).remove();
    removeTreeSafely(bundle);
  }
}

async function expectMissingProgram(runtime: OciRuntime, bundle: string): Promise<void> {
  try {
    await runtime.create(probeId, bundle, { kind: "none" });
  } catch (error) {
    if (error instanceof MissingProgramError) return;
    throw new GuestError("failed-precondition", `the OCI runtime does not work here: ${messageOf(error)}`, {
      cause: error,
    });
  }
  throw new GuestError("failed-precondition", "the OCI runtime claims to run a program that is not there");
}

function probeSpec(rootfs: string, cgroupsPath: string): OciSpec {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ["/podkeep-probe"],
      env: [],
      cwd: "/",
      noNewPrivileges: true,
    },
    root: { path: rootfs, readonly: true },
    mounts: [{ destination: "/proc", type: "proc", source: "proc", options: [] }],
    annotations: {},
    linux: {
      namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }],
      cgroupsPath,
      resources: { devices: [{ allow: false, access: "rwm" }] },
      devices: [],
      maskedPaths: [],
      readonlyPaths: [],
    },
  };
}
