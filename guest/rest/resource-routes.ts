import type { HttpRequest, HttpResponse } from "../rpc/http/server.ts";
import { GetResourceService } from "../rpc/messages/confidential-data-hub.ts";
import type { RpcClient } from "../rpc/method.ts";
import { callTimeoutMs } from "./limits.ts";
import { bytesResponse, responses } from "./responses.ts";

/** repository, type and tag as key brokers accept them; nothing that a URL parser would decode or resolve. */
const resourcePath =
  /^\/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}\/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}\/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}$/;

const prefix = "/resource";

/**
 * What stands below `/cdh`: resources of the key broker, whatever the method (spec/rest-api.md 4.6). The reference forwards any
 * path; here one that can't name a resource is refused before anybody is asked (threat model row 125). A query is dropped.
 *
 * @param route the path behind `/cdh`, not decoded
 * @throws GuestError when the data hub fails
 */
export async function answerResource(route: string, request: HttpRequest, dataHub: RpcClient): Promise<HttpResponse> {
  if (!route.startsWith(`${prefix}/`)) return responses.notFound;
  const path = route.slice(prefix.length);
  if (!resourcePath.test(path)) return responses.badRequest;
  const { GetResource } = GetResourceService.methods;
  const options = { timeoutMs: callTimeoutMs, signal: request.signal };
  return bytesResponse((await dataHub.call(GetResource, { ResourcePath: `kbs://${path}` }, options)).Resource);
}
