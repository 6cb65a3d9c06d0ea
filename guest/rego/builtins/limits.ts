/** Bounds of single built-in calls, beside the evaluation's own budget. */

/** Longest text or list that one call may build. */
export const maxResultLength = 16 * 1024 * 1024;

/** Largest width and precision in a sprintf format (Go's own figure). */
export const maxFormatWidth = 1_000_000;

/** Most bits of a number that bits.lsh may make, and the farthest a shift may go. */
export const maxShift = 8192;

/** Addresses that net.cidr_expand may list. */
export const maxExpandedAddresses = 65_536;

/** Longest patterns that regex.globs_match compares: its cost grows with their product. */
export const maxGlobLength = 4096;

/** Deepest nesting of documents that a built-in walks or builds. */
export const maxDocumentDepth = 128;

/** Largest text that a parser of another language (YAML, GraphQL, X.509 …) is given. */
export const maxParsedTextLength = 1024 * 1024;

/** Most tokens of a GraphQL document: validating one can take time with the square of its size. */
export const maxGraphqlTokens = 4000;
