// Generated from proto/status.proto by `npm run gen`. Do not edit.

import type { MessageSchema } from "../protobuf/schema.ts";
import { Any } from "./well-known.ts";

export interface Status {
  /** Number of a gRPC status code; 0 is success. */
  readonly code: number;
  readonly message: string;
  readonly details: readonly Any[];
}

export const Status: MessageSchema<Status> = {
  fullName: "google.rpc.Status",
  fields: [
    { name: "code", number: 1, type: "int32", label: "singular" },
    { name: "message", number: 2, type: "string", label: "singular" },
    { name: "details", number: 3, type: () => Any, label: "repeated" },
  ],
};
