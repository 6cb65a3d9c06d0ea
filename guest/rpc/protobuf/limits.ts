/** Deepest nesting of messages that is decoded. The deepest request that a shim sends has 6 levels. */
export const maxMessageDepth = 32;

/**
 * Most list elements and map entries in one message, all its levels counted together. An element takes two bytes on the
 * wire and a hundred in memory, so the limit of a frame's length is no limit of the memory.
 */
export const maxElements = 100_000;
