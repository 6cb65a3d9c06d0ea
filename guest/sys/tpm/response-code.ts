import { type ErrorCode, GuestError } from "../../core/errors.ts";

/** Codes of format one, by their low six bits (TPM 2.0 part 2, 6.6.3). */
const formatOne: Readonly<Record<number, string>> = {
  0x01: "ASYMMETRIC",
  0x02: "ATTRIBUTES",
  0x03: "HASH",
  0x04: "VALUE",
  0x05: "HIERARCHY",
  0x07: "KEY_SIZE",
  0x08: "MGF",
  0x09: "MODE",
  0x0a: "TYPE",
  0x0b: "HANDLE",
  0x0c: "KDF",
  0x0d: "RANGE",
  0x0e: "AUTH_FAIL",
  0x0f: "NONCE",
  0x10: "PP",
  0x12: "SCHEME",
  0x15: "SIZE",
  0x16: "SYMMETRIC",
  0x17: "TAG",
  0x18: "SELECTOR",
  0x1a: "INSUFFICIENT",
  0x1b: "SIGNATURE",
  0x1c: "KEY",
  0x1d: "POLICY_FAIL",
  0x1f: "INTEGRITY",
  0x20: "TICKET",
  0x21: "RESERVED_BITS",
  0x22: "BAD_AUTH",
  0x23: "EXPIRED",
  0x24: "POLICY_CC",
  0x25: "BINDING",
  0x26: "CURVE",
  0x27: "ECC_POINT",
};

/** Codes of format zero: errors (0x1xx) and warnings (0x9xx). */
const formatZero: Readonly<Record<number, string>> = {
  0x100: "INITIALIZE",
  0x101: "FAILURE",
  0x103: "SEQUENCE",
  0x10b: "PRIVATE",
  0x119: "HMAC",
  0x120: "DISABLED",
  0x121: "EXCLUSIVE",
  0x124: "AUTH_TYPE",
  0x125: "AUTH_MISSING",
  0x126: "POLICY",
  0x127: "PCR",
  0x128: "PCR_CHANGED",
  0x12d: "UPGRADE",
  0x12e: "TOO_MANY_CONTEXTS",
  0x12f: "AUTH_UNAVAILABLE",
  0x130: "REBOOT",
  0x131: "UNBALANCED",
  0x142: "COMMAND_SIZE",
  0x143: "COMMAND_CODE",
  0x144: "AUTHSIZE",
  0x145: "AUTH_CONTEXT",
  0x146: "NV_RANGE",
  0x147: "NV_SIZE",
  0x148: "NV_LOCKED",
  0x149: "NV_AUTHORIZATION",
  0x14a: "NV_UNINITIALIZED",
  0x14b: "NV_SPACE",
  0x14c: "NV_DEFINED",
  0x150: "BAD_CONTEXT",
  0x151: "CPHASH",
  0x152: "PARENT",
  0x153: "NEEDS_TEST",
  0x154: "NO_RESULT",
  0x155: "SENSITIVE",
  0x901: "CONTEXT_GAP",
  0x902: "OBJECT_MEMORY",
  0x903: "SESSION_MEMORY",
  0x904: "MEMORY",
  0x905: "SESSION_HANDLES",
  0x906: "OBJECT_HANDLES",
  0x907: "LOCALITY",
  0x908: "YIELDED",
  0x909: "CANCELED",
  0x90a: "TESTING",
  0x920: "NV_RATE",
  0x921: "LOCKOUT",
  0x922: "RETRY",
  0x923: "NV_UNAVAILABLE",
};

/** The code's name in the specification without `TPM_RC_`, and what part of the command it complains about. */
interface NamedCode {
  readonly name: string;
  /** Such as "parameter 1"; undefined when the code names nothing. */
  readonly part: string | undefined;
}

/** Names a response code. A code that isn't known is named by its number. */
export function nameResponseCode(code: number): NamedCode {
  const unknown = `0x${code.toString(16)}`;
  if ((code & 0x80) === 0) return { name: formatZero[code] ?? unknown, part: undefined };
  const number = (code >> 8) & 0xf;
  const name = formatOne[code & 0x3f] ?? unknown;
  if (number === 0) return { name, part: undefined };
  if ((code & 0x40) !== 0) return { name, part: `parameter ${number}` };
  return { name, part: number >= 8 ? `session ${number - 8}` : `handle ${number}` };
}

/** The TPM answered a command with a code that isn't success. `name` of the code is that of the specification. */
export class TpmError extends GuestError {
  override readonly name = "TpmError";
  readonly responseCode: number;
  /** Such as `NV_UNINITIALIZED`. */
  readonly responseName: string;

  /** @param command such as `TPM2_NV_Read` */
  constructor(command: string, responseCode: number) {
    const { name, part } = nameResponseCode(responseCode);
    const where = part === undefined ? "" : ` (${part})`;
    super(errorCodeOf(name), `${command}: the TPM answered TPM_RC_${name}${where}`, {
      fields: { command, responseCode: `0x${responseCode.toString(16)}` },
    });
    this.responseCode = responseCode;
    this.responseName = name;
  }
}

/** Whether something that was thrown is the TPM's answer with one of these codes. */
export function isTpmError(error: unknown, ...names: readonly string[]): error is TpmError {
  return error instanceof TpmError && names.includes(error.responseName);
}

function errorCodeOf(name: string): ErrorCode {
  if (name === "HANDLE") return "not-found";
  if (name === "SIZE" || name === "VALUE") return "invalid-argument";
  return "unavailable";
}
