import type { Log } from "../core/log.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "../rpc/http/server.ts";
import { AttestationAgentService } from "../rpc/messages/attestation.ts";
import type { RpcClient } from "../rpc/method.ts";
import { answerAttestation } from "./attestation-routes.ts";
import { callTimeoutMs } from "./limits.ts";
import { answerResource } from "./resource-routes.ts";
import { jsonResponse, responses } from "./responses.ts";

/** What workloads may ask for: resources of the key broker, evidence and tokens, or both (spec/rest-api.md 1). */
export type RestFeatures = "resource" | "attestation" | "all";

/** What the API is made of. */
export interface RestApiParts {
  /** `resource` unless somebody asks for more: a token is good for whoever holds it (threat model row 98). */
  readonly features: RestFeatures;
  /** Answers AttestationAgentService. */
  readonly attestationAgent: RpcClient;
  /** Answers GetResourceService. */
  readonly dataHub: RpcClient;
  /** Shown by /info. */
  readonly version: string;
  readonly log: Log;
}

/**
 * The HTTP API for the workload on the pod's loopback: `/info`, `/aa/…` and `/cdh/resource/…`, with the paths, codes and bodies of
 * the reference (spec/rest-api.md). Who may connect and under which Host is the server's business (rpc/http).
 */
export function createRestApi(parts: RestApiParts): HttpHandler {
  const withAttestation = parts.features !== "resource";
  const withResources = parts.features !== "attestation";

  return async (request) => {
    try {
      return await answer(request);
    } catch (error) {
      // The reference's callers see no more than this; the service that failed has logged the cause.
      parts.log.warn("request of the workload failed", { root: rootOf(request.path), error });
      return responses.callFailed;
    }
  };

  async function answer(request: HttpRequest): Promise<HttpResponse> {
    const root = rootOf(request.path);
    const route = request.path.slice(root.length);
    if (request.path === "/info") return request.method === "GET" ? info(request) : responses.methodNotAllowed;
    if (route === "") return responses.notFound;
    if (root === "/aa") {
      if (!withAttestation) return responses.attestationNotEnabled;
      return answerAttestation(route, request, parts.attestationAgent);
    }
    if (root === "/cdh") {
      if (!withResources) return responses.resourceNotEnabled;
      return answerResource(route, request, parts.dataHub);
    }
    return responses.notFound;
  }

  async function info({ signal }: HttpRequest): Promise<HttpResponse> {
    const version = `Guest Components Version: ${parts.version}`;
    if (!withAttestation) return jsonResponse(JSON.stringify({ version, feature: parts.features }));
    const { GetTeeType, GetAdditionalTees } = AttestationAgentService.methods;
    const options = { timeoutMs: callTimeoutMs, signal };
    const { tee } = await parts.attestationAgent.call(GetTeeType, {}, options);
    const { additional_tees: devices } = await parts.attestationAgent.call(GetAdditionalTees, {}, options);
    const additional = devices.length === 0 ? {} : { additional_tees: devices };
    return jsonResponse(JSON.stringify({ version, tee, ...additional, feature: parts.features }));
  }
}

/** The path up to its second slash: `/cdh` of `/cdh/resource/a/b/c`. */
function rootOf(path: string): string {
  const second = path.indexOf("/", 1);
  return second === -1 ? path : path.slice(0, second);
}
