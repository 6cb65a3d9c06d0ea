import { setTimeout } from "node:timers/promises";
import { GuestError } from "../../core/errors.ts";
import { maxCommandAttempts, maxTpmMessageBytes, retryPauseMs } from "./limits.ts";
import { isTpmError, TpmError } from "./response-code.ts";
import type { TpmTransport } from "./transport.ts";
import { sized, TpmReader, uint8, uint16, uint32 } from "./wire.ts";

/** A command, before it is framed. */
export interface TpmCommand {
  /** As the specification calls it, such as `TPM2_Quote`; for errors. */
  readonly name: string;
  /** TPM_CC. */
  readonly code: number;
  readonly handles?: readonly number[];
  /**
   * Whether the first handle is authorised by an empty password, which is what the owner's hierarchy, PCRs and Azure's keys have.
   * Commands without authorisation carry no session at all.
   */
  readonly authorized?: boolean;
  readonly parameters?: readonly Uint8Array[];
}

/** Tags of commands and answers. */
const withoutSessions = 0x8001;
const withSessions = 0x8002;
const success = 0;
const headerBytes = 10;

/** TPM_RS_PW: the session that is a password. */
const passwordSession = 0x4000_0009;

/** The TPM is busy with itself; the same command is to be sent again (TPM 2.0 part 2, 6.6.4). */
const transientCodes = ["RETRY", "YIELDED", "TESTING", "NV_RATE"];

/** A TPM 2.0. Commands of several callers follow one another; what each command does stands in files of its own beside this one. */
export class Tpm {
  readonly #transport: TpmTransport;
  #last: Promise<unknown> = Promise.resolve();

  constructor(transport: TpmTransport) {
    this.#transport = transport;
  }

  /**
   * Executes a command.
   *
   * @returns the answer's parameters; the caller reads them to their end
   * @throws TpmError with the TPM's code; GuestError `unavailable` without an answer, `data-loss` for one that is malformed
   */
  execute(command: TpmCommand): Promise<TpmReader> {
    const answered = this.#last.then(() => this.#executeUntilDone(command));
    this.#last = answered.catch(() => {}); // Its caller gets the error; the next command must not.
    return answered;
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async #executeUntilDone(command: TpmCommand): Promise<TpmReader> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return parseResponse(command, await this.#transport.exchange(encodeCommand(command)));
      } catch (error) {
        if (!isTpmError(error, ...transientCodes) || attempt === maxCommandAttempts) throw error;
        await setTimeout(retryPauseMs);
      }
    }
  }
}

/** A command as it goes to the TPM: header, handles, authorisation, parameters. */
export function encodeCommand({ code, handles = [], authorized = false, parameters = [] }: TpmCommand): Buffer {
  const body = Buffer.concat([
    ...handles.map(uint32),
    ...(authorized ? [encodePasswordAuthorization()] : []),
    ...parameters,
  ]);
  const size = headerBytes + body.length;
  if (size > maxTpmMessageBytes) throw new GuestError("invalid-argument", "the command is too long for a TPM");
  return Buffer.concat([uint16(authorized ? withSessions : withoutSessions), uint32(size), uint32(code), body]);
}

/** TPMS_AUTH_COMMAND with its size in front: password session, no nonce, no attributes, empty password. */
function encodePasswordAuthorization(): Buffer {
  const nothing = sized(Buffer.alloc(0));
  const area = Buffer.concat([uint32(passwordSession), nothing, uint8(0), nothing]);
  return Buffer.concat([uint32(area.length), area]);
}

function parseResponse({ name, authorized = false }: TpmCommand, answer: Uint8Array): TpmReader {
  const what = `${name}: the TPM's answer`;
  const header = new TpmReader(answer, what);
  const tag = header.uint16();
  if (header.uint32() !== answer.length) throw header.malformed("has another length than it says");
  const code = header.uint32();
  if (code !== success) throw new TpmError(name, code);
  if (tag !== (authorized ? withSessions : withoutSessions)) throw header.malformed("has an unexpected tag");
  if (!authorized) return new TpmReader(header.rest(), what);
  // Behind the parameters stands the session's part, in which a password session says nothing.
  return new TpmReader(header.bytes(header.uint32()), what);
}
