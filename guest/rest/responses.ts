import type { HttpResponse } from "../rpc/http/server.ts";

/** The fixed answers of the reference; texts have no Content-Type (spec/rest-api.md 3). */
export const responses = {
  badRequest: { status: 400, body: "BAD REQUEST" },
  notFound: { status: 404, body: "URL NOT FOUND" },
  attestationNotEnabled: { status: 404, body: "Attestation Feature Not Enabled" },
  resourceNotEnabled: { status: 404, body: "Resource Feature Not Enabled" },
  methodNotAllowed: { status: 405, body: "Method Not Allowed" },
  callFailed: { status: 500, body: "ttrpc request error" },
} as const satisfies Readonly<Record<string, HttpResponse>>;

/** 200 with bytes as they are. */
export function bytesResponse(body: Uint8Array): HttpResponse {
  return { status: 200, contentType: "application/octet-stream", body };
}

/** 200 with JSON text. */
export function jsonResponse(body: string): HttpResponse {
  return { status: 200, contentType: "application/json", body };
}
