import { posix } from "node:path";
import { describeFailure } from "../core/errors.ts";
import type { CreateContainerRequest } from "../rpc/messages/agent.ts";
import type { Mount } from "../rpc/messages/oci.ts";
import type { CallContext } from "../rpc/method.ts";
import { createBundle, removeBundle } from "../runtime/bundle.ts";
import type { KnownNamespaces } from "../runtime/conversion/namespaces.ts";
import { type ConvertedSpec, convertSpec } from "../runtime/conversion/spec.ts";
import { bundleOf, rootfsOf } from "../runtime/guest-paths.ts";
import { launchProcess } from "../runtime/launch.ts";
import { MountSources } from "../runtime/mount-sources.ts";
import { encodeOciJson } from "../runtime/oci-json.ts";
import type { OciSpec } from "../runtime/oci-spec.ts";
import { readPauseProcess } from "../runtime/pause-bundle.ts";
import type { ContainerProcess } from "../runtime/process.ts";
import { refuseLinkedMountPoints } from "../runtime/rootfs-check.ts";
import { isSandboxContainer } from "../runtime/sandbox-annotation.ts";
import type { StorageTable, StorageUse } from "../runtime/storage/storage-table.ts";
import { Cgroup } from "../sys/cgroup.ts";
import { writeFileAtomically } from "../sys/file.ts";
import { Container } from "./container.ts";
import { checkContainerRequest } from "./container-request.ts";
import type { AgentDependencies } from "./dependencies.ts";
import { createDeviceFinder } from "./guest-devices.ts";
import { unsealEnvironment } from "./sealed-environment.ts";
import type { CloudVolumes, CloudVolumeUse } from "./volumes/cloud-volumes.ts";
import { awaitCsiTargets } from "./volumes/csi-targets.ts";
import { planVolumes, type VolumePlan } from "./volumes/volume-plan.ts";

/** What a new container takes from its sandbox. */
export interface ContainerSurroundings {
  readonly storages: StorageTable;
  readonly cloudVolumes: CloudVolumes;
  readonly namespaces: KnownNamespaces;
}

/** A container in the making. */
interface Draft {
  readonly id: string;
  readonly bundle: string;
  /** True for the pause container. */
  readonly isSandbox: boolean;
  /** The host's mounts and annotations, as the policy has seen them. */
  readonly mounts: readonly Mount[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly volumes: VolumePlan;
  readonly converted: ConvertedSpec;
  readonly cgroup: Cgroup;
  /** Takes back what has been done so far; later, all that the container has. */
  readonly resources: AsyncDisposableStack;
}

/**
 * Makes a container up to the point before its program starts (spec/agent-rpc.md 5, CreateContainer). Everything that can be
 * known to be wrong is found before anything is touched; what fails later takes all that was done back.
 *
 * @throws GuestError
 */
export async function createContainer(
  request: CreateContainerRequest,
  context: CallContext,
  surroundings: ContainerSurroundings,
  dependencies: AgentDependencies,
): Promise<Container> {
  const draft = draftContainer(request, surroundings, dependencies);
  const { converted, resources } = draft;
  const { paths, runtime } = dependencies;
  let complete = false;
  try {
    createBundle(paths, draft.id);
    resources.defer(() => removeBundle(paths, draft.id));
    const cloudVolumes = await attachVolumes(draft, context, surroundings, dependencies);
    // They stay for the containers to come.
    resources.defer(() => (complete ? undefined : cloudVolumes.undo()));
    const storages = await attachStorages(request, draft, context, surroundings);
    resources.defer(() => (complete ? storages.release() : storages.undo()));
    refuseLinkedMountPoints(rootfsOf(paths, draft.id), converted.mounts);
    const spec = await withSecrets(converted, context, dependencies);
    context.signal.throwIfAborted();
    const init = await launchInit(draft, spec, dependencies);
    complete = true;
    const { id, bundle, mounts, annotations, cgroup } = draft;
    return new Container({ id, bundle, mounts, annotations, cgroup, resources, runtime, init, process: spec.process });
  } catch (error) {
    await takeBack(draft, context);
    throw error;
  }
}

/** Checks and converts the request. Touches nothing. */
function draftContainer(
  request: CreateContainerRequest,
  { namespaces }: ContainerSurroundings,
  { paths, settings }: AgentDependencies,
): Draft {
  const spec = checkContainerRequest(request, paths);
  const id = request.container_id;
  const isSandbox = isSandboxContainer(spec.Annotations);
  const cgroupPath = posix.join(paths.cgroupParent, id);
  const volumes = planVolumes(spec, paths);
  const converted = convertSpec(
    { ...spec, Mounts: volumes.mounts },
    {
      rootfs: rootfsOf(paths, id),
      cgroupPath,
      namespaces,
      findGuestDevice: createDeviceFinder(settings.allowedDevices),
      pauseProcess: isSandbox ? readPauseProcess(paths.pauseBundle) : undefined,
    },
  );
  for (const { kind, mount } of converted.mounts) if (kind === "bind") volumes.checkSource(mount.source);
  return {
    id,
    bundle: bundleOf(paths, id),
    isSandbox,
    mounts: spec.Mounts,
    annotations: spec.Annotations,
    volumes,
    converted,
    cgroup: Cgroup.at(cgroupPath),
    resources: new AsyncDisposableStack(),
  };
}

/** Cloud volumes before the image: a disk that is not there shows before anything is pulled. */
async function attachVolumes(
  { id, volumes }: Draft,
  { signal, log }: CallContext,
  { cloudVolumes }: ContainerSurroundings,
  { paths, settings }: AgentDependencies,
): Promise<CloudVolumeUse> {
  const { unused, csiTargets } = volumes;
  if (unused.length > 0) log.warn("no mount of the container is for a cloud volume", { container: id, unused });
  await awaitCsiTargets(csiTargets, paths, settings.csiTargetTimeoutMs, signal);
  return await cloudVolumes.use(volumes.cloudVolumes, signal);
}

function attachStorages(
  request: CreateContainerRequest,
  { id, isSandbox }: Draft,
  { signal, log }: CallContext,
  { storages }: ContainerSurroundings,
): Promise<StorageUse> {
  return storages.attach(request.storages, { containerId: id, isSandboxContainer: isSandbox, signal, log });
}

/** Opens sealed variables in a copy: the request that the policy judged stays as it is. */
async function withSecrets(
  converted: ConvertedSpec,
  { signal, log }: CallContext,
  { unsealer, settings }: AgentDependencies,
): Promise<OciSpec> {
  const spec = converted.withMounts([]);
  const { env: sealed } = spec.process;
  const env = await unsealEnvironment(sealed, unsealer, { strict: settings.strictUnsealing, log, signal });
  return { ...spec, process: { ...spec.process, env } };
}

async function launchInit(
  { id, bundle, volumes, converted, cgroup, resources }: Draft,
  spec: OciSpec,
  dependencies: AgentDependencies,
): Promise<ContainerProcess> {
  const { paths, runtime } = dependencies;
  const { mounts, sources } = MountSources.hold(converted.mounts, paths, id, volumes.openSource);
  try {
    writeFileAtomically(posix.join(bundle, "config.json"), encodeOciJson({ ...spec, mounts }));
    resources.defer(() => cgroup.remove());
    resources.defer(() => runtime.delete(id, bundle));
    return await launchProcess(spec.process.terminal, dependencies, (stdio) => runtime.create(id, bundle, stdio));
  } finally {
    // What the container has mounted stays.
    sources.release();
  }
}

/** The caller is to learn why the container failed, not why taking it back did. */
async function takeBack({ id, resources }: Draft, { log }: CallContext): Promise<void> {
  try {
    await resources.disposeAsync();
  } catch (error) {
    log.error("container that failed could not be taken back", { container: id, error: describeFailure(error) });
  }
}
