// Generated from proto/attestation.proto by `npm run gen`. Do not edit.

import type { ServiceDefinition } from "../method.ts";
import type { MessageSchema } from "../protobuf/schema.ts";

export interface GetEvidenceRequest {
  /** Bytes that the evidence binds, such as a nonce. */
  readonly RuntimeData: Uint8Array;
}

export const GetEvidenceRequest: MessageSchema<GetEvidenceRequest> = {
  fullName: "attestation_agent.GetEvidenceRequest",
  fields: [{ name: "RuntimeData", number: 1, type: "bytes", label: "singular" }],
};

export interface GetAdditionalEvidenceRequest {
  readonly RuntimeData: Uint8Array;
}

export const GetAdditionalEvidenceRequest: MessageSchema<GetAdditionalEvidenceRequest> = {
  fullName: "attestation_agent.GetAdditionalEvidenceRequest",
  fields: [{ name: "RuntimeData", number: 1, type: "bytes", label: "singular" }],
};

export interface GetEvidenceResponse {
  /** JSON of the TEE's kind. */
  readonly Evidence: Uint8Array;
}

export const GetEvidenceResponse: MessageSchema<GetEvidenceResponse> = {
  fullName: "attestation_agent.GetEvidenceResponse",
  fields: [{ name: "Evidence", number: 1, type: "bytes", label: "singular" }],
};

export interface GetTokenRequest {
  /** Such as kbs or maa. */
  readonly TokenType: string;
}

export const GetTokenRequest: MessageSchema<GetTokenRequest> = {
  fullName: "attestation_agent.GetTokenRequest",
  fields: [{ name: "TokenType", number: 1, type: "string", label: "singular" }],
};

export interface GetTokenResponse {
  readonly Token: Uint8Array;
}

export const GetTokenResponse: MessageSchema<GetTokenResponse> = {
  fullName: "attestation_agent.GetTokenResponse",
  fields: [{ name: "Token", number: 1, type: "bytes", label: "singular" }],
};

export interface ExtendRuntimeMeasurementRequest {
  readonly Domain: string;
  readonly Operation: string;
  readonly Content: string;
  readonly RegisterIndex: bigint | null;
}

export const ExtendRuntimeMeasurementRequest: MessageSchema<ExtendRuntimeMeasurementRequest> = {
  fullName: "attestation_agent.ExtendRuntimeMeasurementRequest",
  fields: [
    { name: "Domain", number: 1, type: "string", label: "singular" },
    { name: "Operation", number: 2, type: "string", label: "singular" },
    { name: "Content", number: 3, type: "string", label: "singular" },
    { name: "RegisterIndex", number: 4, type: "uint64", label: "optional" },
  ],
};

export interface ExtendRuntimeMeasurementResponse {
  readonly Result: number;
}

export const ExtendRuntimeMeasurementResponse: MessageSchema<ExtendRuntimeMeasurementResponse> = {
  fullName: "attestation_agent.ExtendRuntimeMeasurementResponse",
  fields: [{ name: "Result", number: 1, type: "enum", label: "singular" }],
};

export interface BindInitDataRequest {
  readonly Digest: Uint8Array;
}

export const BindInitDataRequest: MessageSchema<BindInitDataRequest> = {
  fullName: "attestation_agent.BindInitDataRequest",
  fields: [{ name: "Digest", number: 1, type: "bytes", label: "singular" }],
};

export type BindInitDataResponse = Readonly<Record<string, never>>;

export const BindInitDataResponse: MessageSchema<BindInitDataResponse> = {
  fullName: "attestation_agent.BindInitDataResponse",
  fields: [],
};

export type GetTeeTypeRequest = Readonly<Record<string, never>>;

export const GetTeeTypeRequest: MessageSchema<GetTeeTypeRequest> = {
  fullName: "attestation_agent.GetTeeTypeRequest",
  fields: [],
};

export interface GetTeeTypeResponse {
  readonly tee: string;
}

export const GetTeeTypeResponse: MessageSchema<GetTeeTypeResponse> = {
  fullName: "attestation_agent.GetTeeTypeResponse",
  fields: [{ name: "tee", number: 1, type: "string", label: "singular" }],
};

export type GetAdditionalTeesRequest = Readonly<Record<string, never>>;

export const GetAdditionalTeesRequest: MessageSchema<GetAdditionalTeesRequest> = {
  fullName: "attestation_agent.GetAdditionalTeesRequest",
  fields: [],
};

export interface GetAdditionalTeesResponse {
  readonly additional_tees: readonly string[];
}

export const GetAdditionalTeesResponse: MessageSchema<GetAdditionalTeesResponse> = {
  fullName: "attestation_agent.GetAdditionalTeesResponse",
  fields: [{ name: "additional_tees", number: 1, type: "string", label: "repeated" }],
};

export const RuntimeMeasurementResult = { OK: 0, NOT_SUPPORTED: 1, NOT_ENABLED: 2 } as const;

/** Called by the data hub, the REST service and workloads. */
export const AttestationAgentService = {
  name: "attestation_agent.AttestationAgentService",
  methods: {
    GetEvidence: {
      service: "attestation_agent.AttestationAgentService",
      name: "GetEvidence",
      request: GetEvidenceRequest,
      response: GetEvidenceResponse,
    },
    GetAdditionalEvidence: {
      service: "attestation_agent.AttestationAgentService",
      name: "GetAdditionalEvidence",
      request: GetAdditionalEvidenceRequest,
      response: GetEvidenceResponse,
    },
    GetToken: {
      service: "attestation_agent.AttestationAgentService",
      name: "GetToken",
      request: GetTokenRequest,
      response: GetTokenResponse,
    },
    ExtendRuntimeMeasurement: {
      service: "attestation_agent.AttestationAgentService",
      name: "ExtendRuntimeMeasurement",
      request: ExtendRuntimeMeasurementRequest,
      response: ExtendRuntimeMeasurementResponse,
    },
    BindInitData: {
      service: "attestation_agent.AttestationAgentService",
      name: "BindInitData",
      request: BindInitDataRequest,
      response: BindInitDataResponse,
    },
    GetTeeType: {
      service: "attestation_agent.AttestationAgentService",
      name: "GetTeeType",
      request: GetTeeTypeRequest,
      response: GetTeeTypeResponse,
    },
    GetAdditionalTees: {
      service: "attestation_agent.AttestationAgentService",
      name: "GetAdditionalTees",
      request: GetAdditionalTeesRequest,
      response: GetAdditionalTeesResponse,
    },
  },
} as const satisfies ServiceDefinition;
