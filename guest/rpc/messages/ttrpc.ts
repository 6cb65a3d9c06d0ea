// Generated from proto/ttrpc.proto by `npm run gen`. Do not edit.

import type { MessageSchema } from "../protobuf/schema.ts";
import { Status } from "./status.ts";

/** Data of a frame of type 1. */
export interface Request {
  /** Full name of the service, such as grpc.AgentService. */
  readonly service: string;
  /** Bare name of the method, such as CreateContainer. */
  readonly method: string;
  readonly payload: Uint8Array;
  /** Time that is left for the call, in nanoseconds; 0 is no deadline, negative is a deadline that has passed. */
  readonly timeout_nano: bigint;
  readonly metadata: readonly KeyValue[];
}

export const Request: MessageSchema<Request> = {
  fullName: "ttrpc.Request",
  fields: [
    { name: "service", number: 1, type: "string", label: "singular" },
    { name: "method", number: 2, type: "string", label: "singular" },
    { name: "payload", number: 3, type: "bytes", label: "singular" },
    { name: "timeout_nano", number: 4, type: "int64", label: "singular" },
    { name: "metadata", number: 5, type: () => KeyValue, label: "repeated" },
  ],
};

/** Data of a frame of type 2. Success has no status, an empty one, or one with code 0. */
export interface Response {
  readonly status: Status | null;
  readonly payload: Uint8Array;
}

export const Response: MessageSchema<Response> = {
  fullName: "ttrpc.Response",
  fields: [
    { name: "status", number: 1, type: () => Status, label: "singular" },
    { name: "payload", number: 2, type: "bytes", label: "singular" },
  ],
};

/** A pair of metadata; a key with several values is repeated. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export const KeyValue: MessageSchema<KeyValue> = {
  fullName: "ttrpc.KeyValue",
  fields: [
    { name: "key", number: 1, type: "string", label: "singular" },
    { name: "value", number: 2, type: "string", label: "singular" },
  ],
};
