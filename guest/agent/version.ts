/** The release of the Kata agent whose interface podkeep speaks; shims print it. */
export const agentVersion = "4.1.0";

/** The version of the interface that goes with it. */
export const grpcVersion = "0.0.1";
