// Generated from proto/keyprovider.proto by `npm run gen`. Do not edit.

import type { ServiceDefinition } from "../method.ts";
import type { MessageSchema } from "../protobuf/schema.ts";

export interface KeyProviderKeyWrapProtocolInput {
  readonly KeyProviderKeyWrapProtocolInput: Uint8Array;
}

export const KeyProviderKeyWrapProtocolInput: MessageSchema<KeyProviderKeyWrapProtocolInput> = {
  fullName: "keyprovider.KeyProviderKeyWrapProtocolInput",
  fields: [{ name: "KeyProviderKeyWrapProtocolInput", number: 1, type: "bytes", label: "singular" }],
};

export interface KeyProviderKeyWrapProtocolOutput {
  readonly KeyProviderKeyWrapProtocolOutput: Uint8Array;
}

export const KeyProviderKeyWrapProtocolOutput: MessageSchema<KeyProviderKeyWrapProtocolOutput> = {
  fullName: "keyprovider.KeyProviderKeyWrapProtocolOutput",
  fields: [{ name: "KeyProviderKeyWrapProtocolOutput", number: 1, type: "bytes", label: "singular" }],
};

/** WrapKey encrypts a layer key, UnWrapKey decrypts it. */
export const KeyProviderService = {
  name: "keyprovider.KeyProviderService",
  methods: {
    WrapKey: {
      service: "keyprovider.KeyProviderService",
      name: "WrapKey",
      request: KeyProviderKeyWrapProtocolInput,
      response: KeyProviderKeyWrapProtocolOutput,
    },
    UnWrapKey: {
      service: "keyprovider.KeyProviderService",
      name: "UnWrapKey",
      request: KeyProviderKeyWrapProtocolInput,
      response: KeyProviderKeyWrapProtocolOutput,
    },
  },
} as const satisfies ServiceDefinition;
