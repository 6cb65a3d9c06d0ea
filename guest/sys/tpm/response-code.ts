import { type ErrorCode, GuestError } from "../../core/errors.ts";

/** Codes of format one, by their low six bits (TPM 2.0 part 2, 6.6.3). */
const formatOne: Readonly<Record<number, string>> = {
  1: "ASYMMETRIC",
  2: "ATTRIBUTES",
  3: "HASH",
  4: "VALUE",
  5: "HIERARCHY",
  7: "KEY_SIZE",
  8: "MGF",
  9: "MODE",
  10: "TYPE",
  11: "HANDLE",
  12: "KDF",
  13: "RANGE",
  14: "AUTH_FAIL",
  15: "NONCE",
  16: "PP",
  18: "SCHEME",
  21: "SIZE",
  22: "SYMMETRIC",
  23: "TAG",
  24: "SELECTOR",
  26: "INSUFFICIENT",
  27: "SIGNATURE",
  28: "KEY",
  29: "POLICY_FAIL",
  31: "INTEGRITY",
  32: "TICKET",
  33: "RESERVED_BITS",
  34: "BAD_AUTH",
  35: "EXPIRED",
  36: "POLICY_CC",
  37: "BINDING",
  38: "CURVE",
  39: "ECC_POINT",
};

/** Codes of format zero: errors (0x1xx) and warnings (0x9xx). */
const formatZero: Readonly<Record<number, string>> = {
  256: "INITIALIZE",
  257: "FAILURE",
  259: "SEQUENCE",
  267: "PRIVATE",
  281: "HMAC",
  288: "DISABLED",
  289: "EXCLUSIVE",
  292: "AUTH_TYPE",
  293: "AUTH_MISSING",
  294: "POLICY",
  295: "PCR",
  296: "PCR_CHANGED",
  301: "UPGRADE",
  302: "TOO_MANY_CONTEXTS",
  303: "AUTH_UNAVAILABLE",
  304: "REBOOT",
  305: "UNBALANCED",
  322: "COMMAND_SIZE",
  323: "COMMAND_CODE",
  324: "AUTHSIZE",
  325: "AUTH_CONTEXT",
  326: "NV_RANGE",
  327: "NV_SIZE",
  328: "NV_LOCKED",
  329: "NV_AUTHORIZATION",
  330: "NV_UNINITIALIZED",
  331: "NV_SPACE",
  332: "NV_DEFINED",
  336: "BAD_CONTEXT",
  337: "CPHASH",
  338: "PARENT",
  339: "NEEDS_TEST",
  340: "NO_RESULT",
  341: "SENSITIVE",
  2305: "CONTEXT_GAP",
  2306: "OBJECT_MEMORY",
  2307: "SESSION_MEMORY",
  2308: "MEMORY",
  2309: "SESSION_HANDLES",
  2310: "OBJECT_HANDLES",
  2311: "LOCALITY",
  2312: "YIELDED",
  2313: "CANCELED",
  2314: "TESTING",
  2336: "NV_RATE",
  2337: "LOCKOUT",
  2338: "RETRY",
  2339: "NV_UNAVAILABLE",
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
