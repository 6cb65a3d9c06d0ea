// Generated from proto/confidential-data-hub.proto by `npm run gen`. Do not edit.

import type { ServiceDefinition } from "../method.ts";
import type { MessageSchema } from "../protobuf/schema.ts";

export interface UnsealSecretInput {
  readonly secret: Uint8Array;
}

export const UnsealSecretInput: MessageSchema<UnsealSecretInput> = {
  fullName: "api.UnsealSecretInput",
  fields: [{ name: "secret", number: 1, type: "bytes", label: "singular" }],
};

export interface UnsealSecretOutput {
  readonly plaintext: Uint8Array;
}

export const UnsealSecretOutput: MessageSchema<UnsealSecretOutput> = {
  fullName: "api.UnsealSecretOutput",
  fields: [{ name: "plaintext", number: 1, type: "bytes", label: "singular" }],
};

export interface GetResourceRequest {
  /** A kbs:/// URI. */
  readonly ResourcePath: string;
}

export const GetResourceRequest: MessageSchema<GetResourceRequest> = {
  fullName: "api.GetResourceRequest",
  fields: [{ name: "ResourcePath", number: 1, type: "string", label: "singular" }],
};

export interface GetResourceResponse {
  readonly Resource: Uint8Array;
}

export const GetResourceResponse: MessageSchema<GetResourceResponse> = {
  fullName: "api.GetResourceResponse",
  fields: [{ name: "Resource", number: 1, type: "bytes", label: "singular" }],
};

export interface SecureMountRequest {
  readonly volume_type: string;
  readonly options: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
  readonly mount_point: string;
}

export const SecureMountRequest: MessageSchema<SecureMountRequest> = {
  fullName: "api.SecureMountRequest",
  fields: [
    { name: "volume_type", number: 1, type: "string", label: "singular" },
    { name: "options", number: 2, type: "string", label: "map", mapKey: "string" },
    { name: "flags", number: 3, type: "string", label: "repeated" },
    { name: "mount_point", number: 4, type: "string", label: "singular" },
  ],
};

export type SecureMountResponse = Readonly<Record<string, never>>;

export const SecureMountResponse: MessageSchema<SecureMountResponse> = {
  fullName: "api.SecureMountResponse",
  fields: [],
};

export interface ImagePullRequest {
  readonly image_url: string;
  /** Directory under which rootfs and config.json appear. */
  readonly bundle_path: string;
}

export const ImagePullRequest: MessageSchema<ImagePullRequest> = {
  fullName: "api.ImagePullRequest",
  fields: [
    { name: "image_url", number: 1, type: "string", label: "singular" },
    { name: "bundle_path", number: 2, type: "string", label: "singular" },
  ],
};

export interface ImagePullResponse {
  readonly manifest_digest: string;
}

export const ImagePullResponse: MessageSchema<ImagePullResponse> = {
  fullName: "api.ImagePullResponse",
  fields: [{ name: "manifest_digest", number: 1, type: "string", label: "singular" }],
};

/** Opens sealed secrets. */
export const SealedSecretService = {
  name: "api.SealedSecretService",
  methods: {
    UnsealSecret: {
      service: "api.SealedSecretService",
      name: "UnsealSecret",
      request: UnsealSecretInput,
      response: UnsealSecretOutput,
    },
  },
} as const satisfies ServiceDefinition;

/** Fetches resources of the key broker. */
export const GetResourceService = {
  name: "api.GetResourceService",
  methods: {
    GetResource: {
      service: "api.GetResourceService",
      name: "GetResource",
      request: GetResourceRequest,
      response: GetResourceResponse,
    },
  },
} as const satisfies ServiceDefinition;

/** Mounts encrypted volumes. */
export const SecureMountService = {
  name: "api.SecureMountService",
  methods: {
    SecureMount: {
      service: "api.SecureMountService",
      name: "SecureMount",
      request: SecureMountRequest,
      response: SecureMountResponse,
    },
  },
} as const satisfies ServiceDefinition;

/** Pulls container images inside the guest. */
export const ImagePullService = {
  name: "api.ImagePullService",
  methods: {
    PullImage: {
      service: "api.ImagePullService",
      name: "PullImage",
      request: ImagePullRequest,
      response: ImagePullResponse,
    },
  },
} as const satisfies ServiceDefinition;
