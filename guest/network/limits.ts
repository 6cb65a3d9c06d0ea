/** Caps of what the host may ask of the network. */

/** Routes of one request or configuration. */
export const maxRoutes = 256;
/** Neighbours of one request or configuration. */
export const maxNeighbors = 1024;
/** Addresses of one interface. */
export const maxAddresses = 64;
/** Bytes that a frame of a usable network has at least, IPv4's minimum. */
export const minMtu = 576;
/** The largest frame of networks in use. */
export const maxMtu = 65_535;
/** What `ip` may print: a list of a few thousand routes. */
export const maxIpOutputBytes = 8 * 1024 * 1024;
