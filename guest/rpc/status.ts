import { type ErrorCode, GuestError, statusCodes } from "../core/errors.ts";

/** The outcome of a call as ttRPC and gRPC carry it: a number of gRPC's codes and a sentence. */
export interface Status {
  readonly code: number;
  readonly message: string;
}

const codeNames = new Map<number, ErrorCode>(
  Object.entries(statusCodes)
    .filter(([name]) => name !== "ok")
    // The keys of statusCodes besides `ok` are the error codes by definition.
    .map(([name, number]) => [number, name as ErrorCode]),
);

/**
 * What the peer is told of a failure. Errors that nobody raised on purpose may hold anything, so they give a fixed text.
 */
export function statusOf(error: unknown): Status {
  if (!(error instanceof GuestError)) return { code: statusCodes.internal, message: "internal error" };
  return { code: statusCodes[error.code], message: error.peerMessage };
}

/** The error that a peer's status stands for. Codes that gRPC does not define become `unknown`. */
export function errorOfStatus(status: Status): GuestError {
  return new GuestError(codeNames.get(status.code) ?? "unknown", status.message);
}
