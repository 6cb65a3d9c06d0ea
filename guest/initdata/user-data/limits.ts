/** Bytes of user data where the platform sets no smaller limit (spec/userdata.md 9). */
export const maxUserDataBytes = 1024 * 1024;

/** Amazon's own limit. */
export const maxAwsUserDataBytes = 16 * 1024;

/** Azure's limit is 64 KiB of base64. */
export const maxAzureUserDataBytes = 48 * 1024;

/** Entries of `write_files`. */
export const maxFiles = 32;

/** One request to a metadata service, and the one for Amazon's session token. */
export const requestTimeoutMs = 10_000;
export const tokenTimeoutMs = 5_000;

/** How long it may take until operators are told that it takes long. */
export const lateMs = 30_000;

/** Waiting between attempts grows from the first to the last. */
export const firstDelayMs = 1_000;
export const lastDelayMs = 5_000;

/** ISO 9660: volume descriptors that are looked at, and bytes of the root directory. */
export const maxVolumeDescriptors = 16;
export const maxDirectoryBytes = 64 * 1024;
