import { GuestError } from "../../core/errors.ts";
import type { GuestPaths } from "../../runtime/guest-paths.ts";
import { locateVolume, openVolume } from "../../runtime/guest-volumes.ts";
import { closeDescriptor, readDescriptorStart } from "../../sys/descriptor.ts";
import { isErrno } from "../../sys/system-error.ts";
import type { Container } from "../container.ts";
import type { AgentDependencies } from "../dependencies.ts";
import { quotedError, refusal } from "../errors.ts";
import { maxTerminationLogBytes } from "../limits.ts";
import type { Sandbox } from "../sandbox.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

const terminationPathAnnotation = "io.kubernetes.container.terminationMessagePath";

/** GetDiagnosticData: the termination message of a container (spec/agent-rpc.md 6.10, scenario V2). */
export function diagnosticsHandlers(
  sandbox: Sandbox,
  { paths }: AgentDependencies,
): AgentHandlers<"GetDiagnosticData"> {
  return {
    GetDiagnosticData: ({ log_type: type, container_id: id }) => {
      if (type !== "termination_log") {
        throw quotedError("invalid-argument", `unsupported diagnostic log_type: ${type.slice(0, 64)}`);
      }
      const container = sandbox.container(
        id,
        () => new GuestError("internal", `Invalid container id: ${id.slice(0, 128)}`),
      );
      const source = terminationLogSource(container);
      requireCopiedFile(source, paths);
      const bytes = openVolume(source, paths, (root, path) => readIfPresent(() => root.openFile(path)));
      return { data: new TextDecoder().decode(bytes) };
    },
  };
}

/** Where the file that the container writes its message to is in the guest. */
function terminationLogSource({ parts: { annotations, mounts } }: Container): string {
  const path = Object.hasOwn(annotations, terminationPathAnnotation)
    ? annotations[terminationPathAnnotation]
    : undefined;
  if (path === undefined) throw new GuestError("internal", "No terminationMessagePath annotation");
  const mount = mounts.find(({ destination }) => destination === path);
  if (mount === undefined) {
    throw new GuestError("internal", `termination message mount not found for ${path.slice(0, 256)}`);
  }
  return mount.source;
}

/**
 * A termination log is a file of its own that the host has copied in. What containers keep in volumes is not the host's to read
 * (threat 67).
 */
function requireCopiedFile(source: string, paths: GuestPaths): void {
  const { root, relativePath } = locateVolume(source, paths);
  if (root !== paths.sharedContainers || relativePath.includes("/")) {
    throw refusal("the termination log is not a file that was copied in", { path: source });
  }
}

function readIfPresent(open: () => number): Buffer {
  try {
    const fd = open();
    try {
      return readDescriptorStart(fd, maxTerminationLogBytes);
    } finally {
      closeDescriptor(fd);
    }
  } catch (error) {
    if (isErrno(error, "ENOENT")) return Buffer.alloc(0);
    throw error;
  }
}
