/** Bytes of the TOML document (spec/initdata.md 8). */
export const maxDocumentBytes = 8 * 1024 * 1024;

/** Bytes of the gzip stream. Bounds the length field of the block device, too. */
export const maxCompressedBytes = 768 * 1024;

/** Characters of the base64 form, line breaks included. */
export const maxAnnotationLength = 1024 * 1024;

/** Entries of the table `data`. */
export const maxEntries = 64;

/** Bytes of one entry. */
export const maxEntryBytes = 4 * 1024 * 1024;
