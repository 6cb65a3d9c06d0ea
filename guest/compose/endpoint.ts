import { GuestError } from "../core/errors.ts";

/** A numeric address and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Parses `127.0.0.1:8006` or `[::1]:8006`.
 *
 * @throws GuestError `invalid-argument`
 */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    throw new GuestError("invalid-argument", `${text.slice(0, 100)} is no address and port such as 127.0.0.1:8006`);
  }
  return { host, port };
}
