import { GuestError, messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { parseResourceUri, type ResourceProvider } from "../../kbs/index.ts";
import type {
  GetResourceService,
  ImagePullService,
  SealedSecretService,
  SecureMountService,
} from "../../rpc/messages/confidential-data-hub.ts";
import type { KeyProviderService } from "../../rpc/messages/keyprovider.ts";
import type { Handlers } from "../../rpc/method.ts";
import { withPeerMessage } from "../peer-errors.ts";
import { type KeyManagementService, unseal } from "../sealed-secret/unseal.ts";
import type { AttestationAgentClient } from "./agent-client.ts";
import { encodeUnwrapReply, parseUnwrapRequest, unwrapLayerKey } from "./key-provider.ts";

/** Pulls an image and mounts its root file system in a bundle. */
export interface ImagePuller {
  /**
   * @param reference as in a pod's manifest, such as `registry.example/app@sha256:…`
   * @param bundlePath the root file system appears in `rootfs` below it
   * @returns digest of the image's manifest, such as `sha256:…`
   * @throws GuestError whose message may be shown to the caller
   */
  pullImage(reference: string, bundlePath: string, signal: AbortSignal): Promise<{ readonly manifestDigest: string }>;
}

/** Mounts a protected volume. */
export interface SecureMounter {
  /** @throws GuestError */
  mount(volume: SecureVolume, signal: AbortSignal): Promise<void>;
}

/** A protected volume (spec/secure-mount.md). */
export interface SecureVolume {
  readonly type: string;
  readonly options: Readonly<Record<string, string>>;
  readonly mountPoint: string;
}

/** What the data hub is made of. */
export interface DataHubParts {
  readonly resources: ResourceProvider;
  readonly attestationAgent: AttestationAgentClient;
  /** Undefined: images can't be pulled. */
  readonly images: ImagePuller | undefined;
  /** Undefined: volumes can't be mounted. */
  readonly volumes: SecureMounter | undefined;
  readonly keyServices: ReadonlyMap<string, KeyManagementService>;
  readonly skipSealedSecretVerification: boolean;
  readonly log: Log;
}

/** Handlers of the data hub's services (cdh-services.tsv). */
export interface DataHub {
  readonly sealedSecret: Handlers<typeof SealedSecretService>;
  readonly getResource: Handlers<typeof GetResourceService>;
  readonly secureMount: Handlers<typeof SecureMountService>;
  readonly imagePull: Handlers<typeof ImagePullService>;
  readonly keyProvider: Handlers<typeof KeyProviderService>;
}

/** What callers of the reference get (spec/cdh.md 2.2). */
const prefix = "[CDH] [ERROR]: ";
const unparsableKeyRequest = "[ERROR] UnwrapKey Parse request failed";

/** The event that a pulled image leaves in the event log (spec/attestation-agent.md 6.5). */
const imageEvent = { domain: "github.com/confidential-containers", operation: "PullImage" } as const;

/** The confidential data hub: resources, sealed secrets, layer keys, images and volumes, for the agent and the workload. */
export function createDataHub(parts: DataHubParts): DataHub {
  const { resources, log } = parts;
  return {
    getResource: {
      GetResource: ({ ResourcePath }, { signal }) =>
        withPeerMessage(`${prefix}Get Resource failed`, async () => ({
          Resource: await resources.getResource(parseResourceUri(ResourcePath), signal),
        })),
    },
    sealedSecret: {
      UnsealSecret: ({ secret }, { signal }) =>
        withPeerMessage(`${prefix}Unseal Secret failed`, async () => ({
          plaintext: await unseal(secret, { ...parts, skipVerification: parts.skipSealedSecretVerification }, signal),
        })),
    },
    keyProvider: {
      // WrapKey has no handler and answers UNIMPLEMENTED, as in the reference: keys are wrapped where images are built.
      UnWrapKey: async ({ KeyProviderKeyWrapProtocolInput }, { signal }) => {
        const wrapped = await withPeerMessage(unparsableKeyRequest, () =>
          parseUnwrapRequest(KeyProviderKeyWrapProtocolInput),
        );
        return withPeerMessage(`${prefix}Decrypt Image (UnwrapKey) failed`, async () => {
          const options = await unwrapLayerKey(wrapped, resources, signal);
          return { KeyProviderKeyWrapProtocolOutput: encodeUnwrapReply(options) };
        });
      },
    },
    secureMount: {
      SecureMount: ({ volume_type, options, mount_point }, { signal }) =>
        withPeerMessage(`${prefix}Secure Mount failed`, async () => {
          if (parts.volumes === undefined) throw new GuestError("unimplemented", "no volume driver is built in");
          await parts.volumes.mount({ type: volume_type, options, mountPoint: mount_point }, signal);
          return {};
        }),
    },
    imagePull: {
      PullImage: async ({ image_url, bundle_path }, { signal }) => {
        const digest = await pull(image_url, bundle_path, signal);
        await recordImage(image_url, digest, signal);
        return { manifest_digest: digest };
      },
    },
  };

  function pull(reference: string, bundlePath: string, signal: AbortSignal): Promise<string> {
    const showDetail = (error: unknown): string => `${prefix}Image Pull error: ${messageOf(error)}`;
    return withPeerMessage(showDetail, async () => {
      if (parts.images === undefined) throw new GuestError("unimplemented", "this data hub pulls no images");
      return (await parts.images.pullImage(reference, bundlePath, signal)).manifestDigest;
    });
  }

  /** An image that could not be measured fails the pull, so that no container starts from it. */
  function recordImage(reference: string, digest: string, signal: AbortSignal): Promise<void> {
    const showDetail = (error: unknown): string => `${prefix}Attestation Agent client error: ${messageOf(error)}`;
    return withPeerMessage(showDetail, async () => {
      // Members in the order of canonical JSON (RFC 8785).
      const content = JSON.stringify({ digest, image: reference });
      const measured = await parts.attestationAgent.recordEvent({ ...imageEvent, content }, signal);
      log.debug("image pull recorded", { digest, measured });
    });
  }
}
