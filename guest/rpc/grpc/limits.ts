/** Longest message in either direction: what ttRPC carries, and gRPC's default. */
export const maxMessageLength = 4 * 1024 * 1024;

/** Calls that run at once on a connection. Each container of a pod keeps three of them open for its whole life. */
export const maxConcurrentStreams = 1024;

/** What HTTP/2 itself may hold for one connection, in MB. */
export const maxSessionMegabytes = 64;

/** Longest sentence of a status, in characters: it travels in a header, percent-encoded, and clients limit those. */
export const maxStatusMessageLength = 2048;

/** What a port may set for its gRPC connections; the rest is fixed. */
export interface GrpcLimits {
  /** From the beginning of reading a request to its end. */
  readonly requestTimeoutMs: number;
}

export const defaultGrpcLimits: GrpcLimits = { requestTimeoutMs: 60_000 };
