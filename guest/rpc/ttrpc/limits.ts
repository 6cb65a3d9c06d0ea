/** Most bytes of data in a frame; fixed by the protocol (spec/ttrpc.md 2). */
export const maxFrameLength = 4_194_304;

/** What one ttRPC connection may use. */
export interface TtrpcLimits {
  /** Calls that run at once. Each container of a pod keeps three of them open for its whole life. */
  readonly maxConcurrentCalls: number;
  /** Answers that wait because the client does not read; beyond it the connection is closed. */
  readonly maxQueuedBytes: number;
  /** From the first byte of a frame to its last. Between frames a connection may be silent for ever. */
  readonly frameTimeoutMs: number;
}

export const defaultTtrpcLimits: TtrpcLimits = {
  maxConcurrentCalls: 1024,
  maxQueuedBytes: 64 * 1024 * 1024,
  frameTimeoutMs: 60_000,
};

/** What a connection may hold of requests even when the port's memory budget is used up. */
export const freeShareBytes = 64 * 1024;
