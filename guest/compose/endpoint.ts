import { GuestError } from "../core/errors.ts";

/** A numeric address and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Parses `127.0.0.1:8006` or `[::1]:8006`.
 *
 * @param key of the configuration, which a failure names
 * @throws GuestError `invalid-argument`
 */
export function parseEndpoint(key: string, text: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    const found = JSON.stringify(text.slice(0, 100));
    const problem = `configuration key ${key}: it takes an address and a port such as 127.0.0.1:8006, not ${found}`;
    throw new GuestError("invalid-argument", problem);
  }
  return { host, port };
}
