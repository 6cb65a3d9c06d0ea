/** Wire types of protobuf that the codec knows; groups (3 and 4) are refused. */
export const wireTypes = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

/** The bytes break the rules of the protobuf encoding, or those of the strict decoder. The message names no content. */
export class WireError extends Error {
  override readonly name = "WireError";
}
