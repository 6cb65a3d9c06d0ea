export {
  type AttestationAgentParts,
  createAttestationAgent,
  type EventRecorder,
  type MeasuredEvent,
} from "./attestation-agent/attestation-agent.ts";
export {
  type AttestationAgentConfig,
  defaultAttestationAgentConfig,
  parseAttestationAgentConfig,
} from "./config/attestation-agent-config.ts";
export {
  type CredentialFile,
  type DataHubConfig,
  defaultDataHubConfig,
  parseDataHubConfig,
} from "./config/data-hub-config.ts";
export type { DocumentSource, ImageConfig, RegistryMirror, RegistryRule } from "./config/image-config.ts";
export { createAttestationAgentClient } from "./data-hub/agent-client.ts";
export { writeCredentialFiles } from "./data-hub/credential-files.ts";
export {
  createDataHub,
  type DataHub,
  type DataHubParts,
  type ImagePuller,
  type SecureMounter,
} from "./data-hub/data-hub.ts";
export { parseWrappedLayerKey, unwrapLayerKey } from "./data-hub/key-provider.ts";
export { createResourceProvider } from "./data-hub/resources.ts";
export { createReconnectingClient } from "./reconnecting-client.ts";
export { mountScratchSpace } from "./scratch-space/scratch-space.ts";
export { createSecureMounts, type SecureMountParts, type SecureMounts } from "./secure-mount/secure-mount.ts";
export { systemStorageTools } from "./secure-mount/storage-tools.ts";
