/** Most entries of a list in an OCI spec (mounts, environment, arguments, devices, rules). */
export const maxListEntries = 4096;

/** Longest path, in bytes, as the kernel's PATH_MAX without its terminating zero. */
export const maxPathBytes = 4095;

/** Longest time that one call of the OCI runtime may take, in milliseconds. */
export const runtimeCommandTimeoutMs = 30_000;

/** Most bytes that a call of the OCI runtime may print. */
export const maxRuntimeOutputBytes = 1024 * 1024;

/** Most bytes of the OCI runtime's own log that are looked at for the reason of a failure. */
export const maxRuntimeLogBytes = 256 * 1024;

/** Most bytes that one ReadStdout or ReadStderr answers with; a ttRPC message holds 4 MiB. */
export const maxReadBytes = 1024 * 1024;

/** Most bytes of standard input that wait for a process to read them, over all calls. */
export const maxPendingInputBytes = 8 * 1024 * 1024;

/** Most bytes that are kept of a stream whose process has exited but whose pipe others hold open. */
export const maxDrainBytes = 2 * 1024 * 1024;

/** How long a stream stays open after the exit of its process when descendants hold it, in milliseconds (spec/agent-rpc.md 7.2). */
export const drainTimeoutMs = 500;

/** Largest pause program or configuration that is copied out of the pause bundle, in bytes. */
export const maxPauseFileBytes = 32 * 1024 * 1024;

/** How long a killed process may take to be gone, in milliseconds. */
export const killTimeoutMs = 10_000;

/** How often a data disk is looked for, in milliseconds. */
export const dataDiskPollMs = 250;
