import { isJsonObject, type JsonValue, parseJson } from "../core/json.ts";
import type { HttpRequest, HttpResponse } from "../rpc/http/server.ts";
import { AttestationAgentService } from "../rpc/messages/attestation.ts";
import type { RpcClient } from "../rpc/method.ts";
import { callTimeoutMs } from "./limits.ts";
import { bytesResponse, jsonResponse, responses } from "./responses.ts";

const { GetToken, GetEvidence, GetAdditionalEvidence, ExtendRuntimeMeasurement } = AttestationAgentService.methods;

/** Exact bytes by RuntimeMeasurementResult; booleans are texts there (spec/rest-api.md 4.5). */
const measurementReplies: readonly string[] = [
  '{"success":"true"}',
  '{"success":"false","message": "The platform does not support runtime measurement"}',
  '{"success":"false","message": "Attestation Agent does not enable eventlog recording"}',
];
const unknownMeasurementReply = '{"success":"false","message": "Unknown runtime measurement result"}';

/**
 * What stands below `/aa` (spec/rest-api.md 4.2 to 4.5).
 *
 * @param route the path behind `/aa`, not decoded
 * @throws GuestError when the attestation agent fails
 */
export async function answerAttestation(route: string, request: HttpRequest, agent: RpcClient): Promise<HttpResponse> {
  const options = { timeoutMs: callTimeoutMs, signal: request.signal };
  switch (`${request.method} ${route}`) {
    case "GET /token": {
      const TokenType = new URLSearchParams(request.query).getAll("token_type").at(-1);
      if (TokenType === undefined) return responses.badRequest;
      return bytesResponse((await agent.call(GetToken, { TokenType }, options)).Token);
    }
    case "GET /evidence": {
      const RuntimeData = parseRuntimeData(request.query);
      if (RuntimeData === undefined) return responses.badRequest;
      return bytesResponse((await agent.call(GetEvidence, { RuntimeData }, options)).Evidence);
    }
    case "GET /additional-evidence": {
      const RuntimeData = parseRuntimeData(request.query);
      if (RuntimeData === undefined) return responses.badRequest;
      return bytesResponse((await agent.call(GetAdditionalEvidence, { RuntimeData }, options)).Evidence);
    }
    case "POST /aael": {
      const event = parseEvent(request.body);
      if ("problem" in event) return { status: 500, body: `Illegal AAEL eventry format: ${event.problem}` };
      const { Result } = await agent.call(ExtendRuntimeMeasurement, event, options);
      return jsonResponse(measurementReplies[Result] ?? unknownMeasurementReply);
    }
    default:
      return responses.notFound;
  }
}

/** @returns undefined when the parameter is missing, its encoding unknown or its base64url wrong */
function parseRuntimeData(query: string): Uint8Array | undefined {
  const parameters = new URLSearchParams(query);
  const data = parameters.getAll("runtime_data").at(-1);
  const encoding = parameters.getAll("encoding").at(-1);
  if (data === undefined) return undefined;
  if (encoding === undefined) return Buffer.from(data);
  const bytes = Buffer.from(data, "base64url");
  return encoding === "base64" && bytes.toString("base64url") === data ? bytes : undefined;
}

interface Event {
  readonly Domain: string;
  readonly Operation: string;
  readonly Content: string;
}

function parseEvent(body: Uint8Array): Event | { readonly problem: string } {
  let event: JsonValue;
  try {
    event = parseJson(body);
  } catch {
    return { problem: "not acceptable JSON" };
  }
  if (!isJsonObject(event)) return { problem: "not an object" };
  const { domain, operation, content } = event;
  if (typeof domain !== "string") return { problem: "missing field `domain`" };
  if (typeof operation !== "string") return { problem: "missing field `operation`" };
  if (typeof content !== "string") return { problem: "missing field `content`" };
  return { Domain: domain, Operation: operation, Content: content };
}
