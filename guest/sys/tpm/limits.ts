/** Caps of what a TPM may answer (spec/tee-abi.md 6). */

/** The kernel's buffer for one command or answer. */
export const maxTpmMessageBytes = 4096;
/** A piece of an NV index that every TPM hands out in one answer. */
export const nvChunkBytes = 1024;
/** The largest NV index that is read; Azure's report has 2600 bytes. */
export const maxNvBytes = 16 * 1024;
/** Digests in one answer to TPM2_PCR_Read, by the specification of TPML_DIGEST. */
export const pcrsPerRead = 8;
/** Reads of a set of PCRs until none of them changed in between. */
export const maxPcrReadAttempts = 5;
/** How often a command that the TPM asks to repeat is sent, and the pause before each repetition. */
export const maxCommandAttempts = 20;
export const retryPauseMs = 100;
/** Until a TPM behind a socket has answered; making an RSA key takes a software TPM seconds. */
export const socketTimeoutMs = 60_000;
