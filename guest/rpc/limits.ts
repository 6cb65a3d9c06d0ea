import { defaultGrpcLimits, type GrpcLimits } from "./grpc/limits.ts";
import { defaultTtrpcLimits, type TtrpcLimits } from "./ttrpc/limits.ts";

/** What the peers of a port may use. */
export interface PortLimits {
  /** Connections at once. When they are used up, the one that has been silent longest gives way. */
  readonly maxConnections: number;
  /** From the connection to the first byte. After it a connection may be idle for ever (spec/forwarder.md 5.3). */
  readonly firstByteTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** Bytes of requests held at once, over all connections; one of gRPC counts for the longest until it is there. */
  readonly maxRequestBytes: number;
  readonly ttrpc: TtrpcLimits;
  readonly grpc: GrpcLimits;
}

export const defaultPortLimits: PortLimits = {
  maxConnections: 1024,
  firstByteTimeoutMs: 30_000,
  handshakeTimeoutMs: 10_000,
  maxRequestBytes: 128 * 1024 * 1024,
  ttrpc: defaultTtrpcLimits,
  grpc: defaultGrpcLimits,
};
