import type { CreateContainerRequest } from "../../guest/rpc/messages/agent.ts";
import type { Mount, Process, Spec } from "../../guest/rpc/messages/oci.ts";
import type { MessageInit } from "../../guest/rpc/method.ts";
import type { GuestPaths } from "../../guest/runtime/guest-paths.ts";

export const sandboxId = "5ca1ab1e".repeat(8);

/** A process of a container, as a shim sends it. */
export function processRequest(args: readonly string[], more: MessageInit<Process> = {}): MessageInit<Process> {
  return {
    User: { UID: 0, GID: 0 },
    Args: args,
    Env: ["PATH=/bin"],
    Cwd: "/",
    ...more,
  };
}

/** What a container may have besides its program. */
export interface ContainerOptions {
  readonly process?: MessageInit<Process>;
  readonly spec?: MessageInit<Spec>;
  readonly request?: MessageInit<CreateContainerRequest>;
  /** Besides the usual ones. */
  readonly mounts?: readonly MessageInit<Mount>[];
  readonly image?: string;
  readonly sandbox?: boolean;
}

/** CreateContainer as the shim of a peer pod sends it. */
export function containerRequest(
  paths: GuestPaths,
  id: string,
  args: readonly string[],
  options: ContainerOptions = {},
): MessageInit<CreateContainerRequest> {
  const annotations = { "io.kubernetes.cri.container-type": options.sandbox === true ? "sandbox" : "container" };
  const rootfs = `${paths.base}/${id}/rootfs`;
  return {
    container_id: id,
    exec_id: id,
    storages: [
      {
        driver: "image_guest_pull",
        driver_options: [`image_guest_pull=${JSON.stringify({ metadata: annotations })}`],
        source: options.image ?? (options.sandbox === true ? "pause" : "busybox:1"),
        fstype: "overlay",
        mount_point: rootfs,
      },
    ],
    OCI: {
      Version: "1.1.0",
      Process: processRequest(args, options.process),
      Root: { Path: rootfs },
      Mounts: [
        { destination: "/proc", source: "proc", type: "proc", options: ["nosuid", "noexec", "nodev"] },
        { destination: "/dev", source: "tmpfs", type: "tmpfs", options: ["nosuid", "strictatime", "mode=755"] },
        { destination: "/dev/pts", source: "devpts", type: "devpts", options: ["nosuid", "noexec", "newinstance"] },
        ...(options.mounts ?? []),
      ],
      Annotations: annotations,
      Linux: { Namespaces: [{ Type: "ipc" }, { Type: "uts" }, { Type: "mount" }], CgroupsPath: `/kubepods/${id}` },
      ...options.spec,
    },
    ...options.request,
  };
}
