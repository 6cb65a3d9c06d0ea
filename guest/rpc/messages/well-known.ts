// Generated from google.protobuf by `npm run gen`. Do not edit.

import type { MessageSchema } from "../protobuf/schema.ts";

export interface Any {
  readonly type_url: string;
  readonly value: Uint8Array;
}

export const Any: MessageSchema<Any> = {
  fullName: "google.protobuf.Any",
  fields: [
    { name: "type_url", number: 1, type: "string", label: "singular" },
    { name: "value", number: 2, type: "bytes", label: "singular" },
  ],
};

export type Empty = Readonly<Record<string, never>>;

export const Empty: MessageSchema<Empty> = {
  fullName: "google.protobuf.Empty",
  fields: [],
};
