/** Caps of what is read from the kernel and from programs, so that no file or output can fill the memory. */

/** mount(2) copies one page, the NUL included. */
export const maxMountDataBytes = 4095;
/** A mount table with a hundred containers has about 300 KiB. */
export const maxMountTableBytes = 16 * 1024 * 1024;
/** Files of /proc and cgroups. */
export const maxKernelFileBytes = 1024 * 1024;
/** A path as the kernel takes it. */
export const maxPathBytes = 4095;
/** Value of an extended attribute, and the list of their names. */
export const maxAttributeBytes = 64 * 1024;
/** Levels of control groups that are looked at. */
export const maxGroupDepth = 1024;
/** Directories that a removal holds open at once, one a level. */
export const maxOpenLevels = 256;
/** What a program may print before it is killed. */
export const maxProgramOutputBytes = 1024 * 1024;
/** How long a program may run. */
export const defaultProgramTimeoutMs = 30_000;
/** How long output is waited for after a program has exited and left its output open to descendants. */
export const outputAfterExitMs = 500;
/** An orphan nobody asked for is kept so long as a zombie, so that its exit can still be asked for. */
export const defaultOrphanGraceMs = 30_000;
/** How often a watched process that is not (yet) our child is looked at. */
export const strangerPollMs = 100;
/** How often the out-of-memory counter of a version 1 cgroup is looked at. */
export const oomPollMs = 250;
/** Redirects followed by the HTTP client. */
export const maxRedirects = 5;
/** HTTP body kept in memory unless the caller says otherwise. */
export const defaultMaxBodyBytes = 16 * 1024 * 1024;
/** HTTP: until the headers of the answer are there, and between two pieces of the body. */
export const defaultHttpTimeoutMs = 60_000;
/** HTTP headers of an answer. */
export const maxHeaderSize = 64 * 1024;
