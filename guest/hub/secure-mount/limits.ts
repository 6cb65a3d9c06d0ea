/** How long cryptsetup or mkfs may take, in milliseconds; the agent waits 50 s for the whole call (spec/secure-mount.md 3.6). */
export const volumeProgramTimeoutMs = 120_000;

/** Longest key, in bytes; cryptsetup itself reads no more from its standard input. */
export const maxKeyBytes = 8 * 1024 * 1024;

/** Largest LUKS2 header with its key slots, in bytes; what cryptsetup makes has 16 MiB. */
export const maxHeaderBytes = 32 * 1024 * 1024;

/** Most memory that a header's key derivation may ask for, in KiB; cryptsetup itself never writes more. */
export const maxDerivationKib = 1024 * 1024;

/** Most rounds of argon2; cryptsetup's benchmark ends with a handful. */
export const maxDerivationRounds = 100;

/** Most iterations of PBKDF2: some seconds. */
export const maxDerivationIterations = 50_000_000;

/** Random bytes of an ephemeral volume's passphrase: as many as the volume key has without integrity. */
export const ephemeralKeyBytes = 64;
