// Generated from proto/health.proto by `npm run gen`. Do not edit.

import type { ServiceDefinition } from "../method.ts";
import type { MessageSchema } from "../protobuf/schema.ts";

export interface CheckRequest {
  readonly service: string;
}

export const CheckRequest: MessageSchema<CheckRequest> = {
  fullName: "grpc.CheckRequest",
  fields: [{ name: "service", number: 1, type: "string", label: "singular" }],
};

export const HealthCheckResponseServingStatus = { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2 } as const;

/** The answer to Check. */
export interface HealthCheckResponse {
  readonly status: number;
}

export const HealthCheckResponse: MessageSchema<HealthCheckResponse> = {
  fullName: "grpc.HealthCheckResponse",
  fields: [{ name: "status", number: 1, type: "enum", label: "singular" }],
};

export interface VersionCheckResponse {
  readonly grpc_version: string;
  readonly agent_version: string;
}

export const VersionCheckResponse: MessageSchema<VersionCheckResponse> = {
  fullName: "grpc.VersionCheckResponse",
  fields: [
    { name: "grpc_version", number: 1, type: "string", label: "singular" },
    { name: "agent_version", number: 2, type: "string", label: "singular" },
  ],
};

/** Polled by the shim every few seconds; a failure tears the pod down. The Kata policy has no entry for it. */
export const Health = {
  name: "grpc.Health",
  methods: {
    Check: { service: "grpc.Health", name: "Check", request: CheckRequest, response: HealthCheckResponse },
    Version: { service: "grpc.Health", name: "Version", request: CheckRequest, response: VersionCheckResponse },
  },
} as const satisfies ServiceDefinition;
