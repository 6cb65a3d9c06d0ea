/** Longest container or exec id (spec/threat-model.md row 17). Ids become file names, whose limit is 255 bytes. */
export const maxIdLength = 128;

/** Operations of one patch. The shipped rules need four. */
export const maxPatchOperations = 256;

/** Length of a JSON pointer in a patch. */
export const maxPointerLength = 4096;

/** Values in the whole state document; a custom policy could otherwise let the host grow it without end. */
export const maxStateValues = 100_000;

/** Nesting of the state document. */
export const maxStateDepth = 64;

/** Decisions whose handlers have not finished, or that must wait for an older one that has not, see policy-state.ts. */
export const maxOpenTransactions = 512;

/** Length of a policy's text or module in bytes (spec/policy-enforcement.md 6). */
export const maxPolicyBytes = 16 * 1024 * 1024;

/** Characters of print lines that a denial carries to the peer in a debug build, and to the log. */
export const maxPrintedLength = 64 * 1024;

/** Pages of 64 KiB that a policy.wasm may use for itself, its data and an input. */
export const maxWasmPages = 4096;
