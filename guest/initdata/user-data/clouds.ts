import { messageOf } from "../../core/errors.ts";
import { maxAwsUserDataBytes, maxAzureUserDataBytes, maxUserDataBytes, tokenTimeoutMs } from "./limits.ts";
import { decodeBody, fetchBody, type MetadataAccess, type UserDataSource } from "./source.ts";

/** The clouds whose metadata services are known. */
export const cloudNames = ["azure", "aws", "gcp", "alibaba"] as const;

/** One of {@link cloudNames}. */
export type CloudName = (typeof cloudNames)[number];

const sources: Readonly<Record<CloudName, (origin?: string) => UserDataSource>> = {
  azure: azureSource,
  aws: awsSource,
  gcp: gcpSource,
  alibaba: alibabaSource,
};

/** Whether the text is the name of a cloud. */
export function isCloudName(text: string): text is CloudName {
  return cloudNames.some((name) => name === text);
}

/**
 * A cloud's metadata service.
 *
 * @param origin such as `http://127.0.0.1:8080`; where the cloud has it when absent
 */
export function cloudSource(name: CloudName, origin?: string): UserDataSource {
  return sources[name](origin);
}

/** The address that Azure and Amazon give their metadata services. */
const linkLocal = "http://169.254.169.254";

/** Base64 grows by a third, and has line breaks at most every 60 characters. */
const base64Bytes = (bytes: number) => Math.ceil(bytes * 1.4);

/** Azure: `userData` of the VM, base64. */
function azureSource(origin = linkLocal): UserDataSource {
  const url = `${origin}/metadata/instance/compute/userData?api-version=2021-01-01&format=text`;
  return {
    name: "azure",
    fetch: async (access) => {
      const request = { url, headers: { metadata: "true" } };
      return decodeBody(await fetchBody(access, request, base64Bytes(maxAzureUserDataBytes)));
    },
  };
}

/** Google: metadata `user-data` of the instance, base64. */
function gcpSource(origin = "http://metadata.google.internal"): UserDataSource {
  const url = `${origin}/computeMetadata/v1/instance/attributes/user-data`;
  return {
    name: "gcp",
    fetch: async (access) => {
      const request = { url, headers: { "metadata-flavor": "Google" } };
      return decodeBody(await fetchBody(access, request, base64Bytes(maxUserDataBytes)));
    },
  };
}

/** Alibaba: the instance's user data, plain. */
function alibabaSource(origin = "http://100.100.100.200"): UserDataSource {
  const url = `${origin}/latest/user-data`;
  return { name: "alibaba", fetch: (access) => fetchBody(access, { url }, maxUserDataBytes) };
}

/** Amazon: the instance's user data, plain, by a session token where the service gives one. */
function awsSource(origin = linkLocal): UserDataSource {
  const url = `${origin}/latest/user-data`;
  return {
    name: "aws",
    fetch: async (access) => {
      const token = await awsToken(origin, access);
      const headers = token === undefined ? {} : { "x-aws-ec2-metadata-token": token };
      return fetchBody(access, { url, headers }, maxAwsUserDataBytes);
    },
  };
}

/** A session token (IMDSv2); undefined where there is none, as with instances that are set to the older way. */
async function awsToken(origin: string, access: MetadataAccess): Promise<string | undefined> {
  const request = {
    url: `${origin}/latest/api/token`,
    method: "PUT",
    headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" },
    timeoutMs: tokenTimeoutMs,
  };
  try {
    const token = Buffer.from(await fetchBody(access, request, 1024)).toString("latin1");
    if (/^[\x21-\x7e]+$/.test(token)) return token;
    throw new Error("the token is not printable");
  } catch (error) {
    access.signal.throwIfAborted();
    access.log.warn("no metadata session token, asking without", { error: messageOf(error) });
    return undefined;
  }
}
