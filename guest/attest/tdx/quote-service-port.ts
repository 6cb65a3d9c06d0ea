import { GuestError } from "../../core/errors.ts";
import { readFileIfPresent } from "../../sys/file.ts";

/** Where Intel's library is told the port; part of the image, so it is measured. */
const configurationFile = "/etc/tdx-attest.conf";
const defaultPort = 4050;
const maxFileBytes = 4_096;

/**
 * The vsock port of the host's quote generation service: `port=<n>` of /etc/tdx-attest.conf, or the service's own default
 * (spec/tee-abi.md 4.5).
 *
 * @throws GuestError `invalid-argument` for a port that is none
 */
export function readQuoteServicePort(file: string = configurationFile): number {
  const text = readFileIfPresent(file, maxFileBytes)?.toString("latin1") ?? "";
  const value = /^[ \t]*port[ \t]*=[ \t]*(\S*)/m.exec(text)?.[1];
  if (value === undefined) return defaultPort;
  const port = Number(value);
  if (/^[0-9]{1,10}$/.test(value) && port > 0 && port < 0xffff_ffff) return port;
  throw new GuestError("invalid-argument", `${file}: port is not a vsock port`);
}
