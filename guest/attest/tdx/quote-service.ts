import { GuestError, messageOf } from "../../core/errors.ts";
import { isErrno } from "../../sys/system-error.ts";
import type { Pause } from "../tsm/tsm-report.ts";
import type { TdxQuoteSource } from "./attester.ts";
import { encodeQuoteRequest, maxResponseBytes, minResponseBytes, parseQuoteResponse } from "./quote-service-message.ts";
import { readTdReport, type TdReportDevice } from "./td-report.ts";

/** A connection to the host's quote generation service. Each read and write has a time limit of its own. */
export interface QuoteServiceStream {
  /** @returns what is there, at most `maxBytes`; nothing at the end */
  read(maxBytes: number): Promise<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** What quotes without configfs-tsm are made of. */
export interface QuoteServiceParts {
  readonly device: TdReportDevice;
  /** @throws SystemError when nobody listens */
  readonly connect: () => QuoteServiceStream;
  readonly pause: Pause;
}

/** For one answer as a whole, however slowly it comes. */
const answerTimeoutMs = 30_000;
const maxAttempts = 4;
const firstPauseMs = 500;

/** The service is restarting, busy or slow. */
const transientErrnos = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EAGAIN", "EINTR", "EBUSY"] as const;

/**
 * Quotes by a TDREPORT of /dev/tdx_guest and the host's quote generation service over vsock, for kernels without configfs-tsm
 * (spec/tee-abi.md 4.5). The service is the host's and is not trusted: what it answers is bounded here and checked by who
 * verifies the quote.
 */
export function createServiceQuoteSource({ device, connect, pause }: QuoteServiceParts): TdxQuoteSource {
  return {
    getQuote: async (reportData, signal) => {
      const request = encodeQuoteRequest(readTdReport(device, reportData));
      for (let attempt = 1; ; attempt += 1) {
        signal.throwIfAborted();
        try {
          return parseQuoteResponse(await exchange(connect, request, signal));
        } catch (cause) {
          signal.throwIfAborted();
          if (attempt === maxAttempts || !isTransient(cause)) {
            throw new GuestError("unavailable", `no quote from the host's quote service: ${messageOf(cause)}`, {
              cause,
              fields: { attempt },
            });
          }
          await pause(firstPauseMs * 2 ** (attempt - 1), signal);
        }
      }
    },
  };
}

/** One connection, one question. Frames both ways: u32 big-endian length, message. */
async function exchange(
  connect: QuoteServiceParts["connect"],
  request: Uint8Array,
  caller: AbortSignal,
): Promise<Uint8Array> {
  const signal = AbortSignal.any([caller, AbortSignal.timeout(answerTimeoutMs)]);
  const stream = connect();
  try {
    const frame = Buffer.alloc(4 + request.length);
    frame.writeUInt32BE(request.length);
    frame.set(request, 4);
    await stream.write(frame);
    const length = (await readExactly(stream, 4, signal)).readUInt32BE();
    if (length < minResponseBytes || length > maxResponseBytes) {
      throw new GuestError("internal", "it answers with an impossible length", { fields: { length } });
    }
    return await readExactly(stream, length, signal);
  } finally {
    stream.close();
  }
}

async function readExactly(stream: QuoteServiceStream, length: number, signal: AbortSignal): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    if (signal.aborted) throw new GuestError("deadline-exceeded", "it answers too slowly");
    const piece = await stream.read(length - done);
    if (piece.length === 0) throw new ServiceHungUp();
    bytes.set(piece, done);
    done += piece.length;
  }
  return bytes;
}

class ServiceHungUp extends GuestError {
  constructor() {
    super("unavailable", "it hung up before its answer was complete");
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof ServiceHungUp || isErrno(error, ...transientErrnos);
}
