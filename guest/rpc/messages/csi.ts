// Generated from proto/csi.proto by `npm run gen`. Do not edit.

import type { MessageSchema } from "../protobuf/schema.ts";

export interface VolumeStatsResponse {
  readonly usage: readonly VolumeUsage[];
  readonly volume_condition: VolumeCondition | null;
}

export const VolumeStatsResponse: MessageSchema<VolumeStatsResponse> = {
  fullName: "grpc.VolumeStatsResponse",
  fields: [
    { name: "usage", number: 1, type: () => VolumeUsage, label: "repeated" },
    { name: "volume_condition", number: 2, type: () => VolumeCondition, label: "singular" },
  ],
};

export const VolumeUsageUnit = { UNKNOWN: 0, BYTES: 1, INODES: 2 } as const;

export interface VolumeUsage {
  readonly available: bigint;
  readonly total: bigint;
  readonly used: bigint;
  readonly unit: number;
}

export const VolumeUsage: MessageSchema<VolumeUsage> = {
  fullName: "grpc.VolumeUsage",
  fields: [
    { name: "available", number: 1, type: "uint64", label: "singular" },
    { name: "total", number: 2, type: "uint64", label: "singular" },
    { name: "used", number: 3, type: "uint64", label: "singular" },
    { name: "unit", number: 4, type: "enum", label: "singular" },
  ],
};

export interface VolumeCondition {
  readonly abnormal: boolean;
  readonly message: string;
}

export const VolumeCondition: MessageSchema<VolumeCondition> = {
  fullName: "grpc.VolumeCondition",
  fields: [
    { name: "abnormal", number: 1, type: "bool", label: "singular" },
    { name: "message", number: 2, type: "string", label: "singular" },
  ],
};
