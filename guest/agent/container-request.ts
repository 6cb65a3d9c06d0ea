import { GuestError } from "../core/errors.ts";
import { isContainerId } from "../policy/container-id.ts";
import type { CreateContainerRequest } from "../rpc/messages/agent.ts";
import type { Spec } from "../rpc/messages/oci.ts";
import { type GuestPaths, rootfsOf } from "../runtime/guest-paths.ts";
import { isSandboxContainer } from "../runtime/sandbox-annotation.ts";
import { imagePullDriverName } from "../runtime/storage/image-pull.ts";
import { refusal } from "./errors.ts";
import { maxStorages } from "./limits.ts";

/** What shims name as the image of the sandbox container (spec/agent-rpc.md 9.2). */
const pauseImage = "pause";

/** Annotations that ask for something that podkeep does not do; without it the container would run and miss it. */
const unsupportedAnnotations: readonly (readonly [RegExp, string])[] = [
  [/^cdi\.k8s\.io\//u, "CDI devices are not supported"],
];

/**
 * Checks the parts of the request that are not the OCI spec (spec/agent-rpc.md 5). Pure.
 *
 * @returns the spec
 * @throws GuestError `internal` for what the reference refuses, `permission-denied` and `unimplemented` for what only we do
 */
export function checkContainerRequest(request: CreateContainerRequest, paths: GuestPaths): Spec {
  const { container_id: id, OCI: spec } = request;
  if (!isContainerId(id)) throw new GuestError("internal", `invalid container ID ${id.slice(0, 128)}`);
  if (spec === null) throw new GuestError("internal", "EINVAL: Invalid argument");
  refuseStreamPorts(request);
  const [device] = request.devices;
  if (device !== undefined) {
    throw new GuestError("internal", `Failed to find the device handler ${device.type.slice(0, 64)}`);
  }
  if (request.shared_mounts.length > 0) throw new GuestError("unimplemented", "shared mounts are not supported");
  refuseUnsupportedAnnotations(spec);
  requireOwnRootfs(request, spec, paths);
  return spec;
}

/** Streams over ports of their own would pass the policy by (threat 48). */
export function refuseStreamPorts(request: {
  readonly stdin_port: number;
  readonly stdout_port: number;
  readonly stderr_port: number;
}): void {
  if (request.stdin_port !== 0 || request.stdout_port !== 0 || request.stderr_port !== 0) {
    throw refusal("streams over separate ports are not allowed");
  }
}

function refuseUnsupportedAnnotations(spec: Spec): void {
  for (const name of Object.keys(spec.Annotations)) {
    const unsupported = unsupportedAnnotations.find(([pattern]) => pattern.test(name));
    if (unsupported !== undefined)
      throw new GuestError("unimplemented", unsupported[1], { fields: { annotation: name } });
  }
}

/**
 * A root file system comes from exactly one image, pulled in this request, for this container (threats 28, 37, 38). The image says
 * `pause` where the pause bundle takes its place: a policy that has judged another image must get that one (threats 29, 39).
 */
function requireOwnRootfs(request: CreateContainerRequest, spec: Spec, paths: GuestPaths): void {
  if (request.storages.length > maxStorages) throw new GuestError("internal", `more than ${maxStorages} storages`);
  const images = request.storages.filter((storage) => storage.driver === imagePullDriverName);
  const [image] = images;
  if (image === undefined || images.length > 1) throw refusal("a container needs exactly one image");
  if (isSandboxContainer(spec.Annotations) && image.source !== pauseImage) {
    throw refusal(`the sandbox container has no image but \`${pauseImage}\``);
  }
  const rootfs = rootfsOf(paths, request.container_id);
  if (spec.Root?.Path !== rootfs || image.mount_point !== rootfs)
    throw refusal("the root file system is not the one of the container's image");
}
