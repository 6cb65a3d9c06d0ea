/** Most containers of a pod, ended ones that were not removed included. */
export const maxContainers = 256;

/** Most processes of a container whose end nobody has waited for. */
export const maxProcesses = 512;

/** How long output of a process stays readable once its exit has been collected (spec/agent-rpc.md 7.3), in milliseconds. */
export const outputAfterCollectMs = 10_000;

/** Longest time that the processes of a container may be given to end when it is removed, in milliseconds. */
export const maxRemovalMs = 10 * 60 * 1000;

/** Most OOM events that wait for a reader (spec/agent-rpc.md 7.5). */
export const maxOomEvents = 100;

/** Most bytes of a termination log that are answered (spec/agent-rpc.md 6.10). */
export const maxTerminationLogBytes = 4096;

/** Longest host name that Linux takes. */
export const maxHostnameLength = 64;

/** Most lines of the resolver configuration that a host sends, and the longest of them. */
export const maxDnsLines = 64;
export const maxDnsLineLength = 1024;

/** Most bytes of files that a host may have copied in, unless the configuration says otherwise. */
export const defaultCopyQuotaBytes = 1024 * 1024 * 1024;

/** Most directories above a copied file, below the shared one. */
export const maxCopyDepth = 64;

/** Most copies that are under way at a time; a shim makes one after the other. */
export const maxOpenUploads = 64;

/** How long a copy may rest before its temporary file is taken away, in milliseconds. */
export const uploadIdleMs = 10 * 60 * 1000;

/** Most bytes that may be fed to the random pool at once. */
export const maxEntropyBytes = 4096;

/** Most storages of one request. */
export const maxStorages = 128;

/** How long an image pull may take unless the configuration says otherwise, in milliseconds (`image_pull_timeout`). */
export const defaultImagePullTimeoutMs = 1_200_000;

/** Longest secret that an environment variable can be unsealed to, in bytes. */
export const maxUnsealedBytes = 128 * 1024;

/** Most CPUs that OnlineCPUMem may be asked for. */
export const maxCpus = 8192;

/** Longest value of an annotation about volumes, in characters. */
export const maxAnnotationLength = 64 * 1024;

/** Most cloud volumes of a container, and most volumes that a CSI driver in the guest mounts for it. */
export const maxCloudVolumes = 32;
export const maxCsiTargets = 64;

/** How long a cloud may take to attach a disk, in milliseconds (spec/forwarder.md 5.1: 15 tries, 2 s apart). */
export const defaultDataDiskTimeoutMs = 30_000;

/** How long a CSI driver in the guest may take to mount a volume, in milliseconds, and how often is looked. */
export const defaultCsiTargetTimeoutMs = 180_000;
export const csiTargetPollMs = 250;
