/** Scalar types of proto3 that the protocols here use. 64-bit ones are `bigint` in decoded objects, the others `number`. */
export type ScalarType =
  | "string"
  | "bytes"
  | "bool"
  | "int32"
  | "uint32"
  | "sint32"
  | "fixed32"
  | "sfixed32"
  | "int64"
  | "uint64"
  | "sint64"
  | "fixed64"
  | "sfixed64"
  | "float"
  | "double"
  | "enum";

/** What a field, list element or map value holds. Messages are named lazily since they may refer to each other. */
export type FieldType = ScalarType | (() => MessageSchema);

/**
 * One field. In decoded objects every field is present under its proto name: a singular scalar has its zero value when it was not
 * sent, a repeated field is an array, a map a null-prototype object, a message that was not sent is `null`, and so is an
 * `optional` scalar or an unset member of a oneof.
 */
export interface FieldSchema {
  /** The proto's own spelling, such as `container_id` or `OCI`. */
  readonly name: string;
  readonly number: number;
  readonly type: FieldType;
  readonly label: "singular" | "optional" | "repeated" | "map" | "oneof";
  /** Key type of a map; its values have `type`. */
  readonly mapKey?: "string" | "int32" | "uint32" | "int64" | "uint64" | "bool";
  /** Name of the oneof that the field belongs to. */
  readonly oneof?: string;
}

/** A message: its full name and fields in ascending order of number. `T` is the decoded object's type. */
export interface MessageSchema<T = unknown> {
  readonly fullName: string;
  readonly fields: readonly FieldSchema[];
  /** Carries `T` for the type checker; never set. */
  readonly decoded?: T;
}
