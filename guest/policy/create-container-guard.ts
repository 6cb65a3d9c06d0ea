import { posix } from "node:path";
import { GuestError } from "../core/errors.ts";
import { quoteForPeer } from "./peer-text.ts";

/** What the guard reads of a decoded CreateContainerRequest. */
interface CreateContainerMessage {
  readonly container_id: string;
  readonly OCI: {
    readonly Root: { readonly Path: string } | null;
    readonly Mounts: readonly { readonly destination: string; readonly source: string }[];
  } | null;
}

/** Where the reference keeps containers and what is shared with them. */
const containersRoot = "/run/kata-containers/";

/**
 * Refuses a container whose paths would mean something else than they say: sources and destinations with `..` or NUL and
 * sources with `//`, which patterns of policies take for what stands around them (threat model row 26); two mounts on one
 * destination, of which the later hides the earlier (row 27); the root file system of another container (row 28).
 *
 * @param request a decoded grpc.CreateContainerRequest
 * @throws GuestError `invalid-argument`
 */
export function guardCreateContainer(request: object): void {
  // The caller knows the message by the method it was sent to.
  const { container_id: id, OCI: spec } = request as CreateContainerMessage;
  if (spec === null) return;
  const root = spec.Root?.Path ?? "";
  if (hasBrokenStep(root) || (root.startsWith(containersRoot) && !root.endsWith(`/${id}/rootfs`)))
    refuse("the root path is not the container's own");
  const destinations = new Set<string>();
  for (const { destination, source } of spec.Mounts) {
    if (hasBrokenStep(destination) || hasBrokenStep(source)) refuse("a mount has `..` or NUL in its path");
    if (source.startsWith("/") && source.includes("//")) refuse("a mount has `//` in its source");
    const normal = posix.resolve("/", destination);
    if (destinations.has(normal)) refuse("two mounts have the same destination");
    destinations.add(normal);
  }
}

function hasBrokenStep(path: string): boolean {
  return path.includes("\0") || path.split("/").includes("..");
}

function refuse(problem: string): never {
  throw new GuestError("invalid-argument", problem, { peerMessage: quoteForPeer(problem) });
}
