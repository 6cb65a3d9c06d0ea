/**
 * Rego numbers: exact integers of any size and exact decimals.
 *
 * A number is held in the first of these that fits, so that equal numbers always have the same form:
 * - a JavaScript number: every safe integer, and every fraction whose shortest text is the number itself (0.1 is one tenth);
 * - a bigint: integers outside the safe range;
 * - a Decimal: the other fractions.
 */
import { maxNumberDigits } from "./limits.ts";

/** A number as the engine holds it; see the top of the file for which form stands for which numbers. */
export type RegoNumber = number | bigint | Decimal;

/** coefficient × 10^exponent with a negative exponent and a coefficient not divisible by ten. Made by `decimal()` only. */
export class Decimal {
  readonly coefficient: bigint;
  readonly exponent: number;

  constructor(coefficient: bigint, exponent: number) {
    this.coefficient = coefficient;
    this.exponent = exponent;
  }
}

/** A number that is too large to be held, or an operation without a result. */
export class NumberError extends Error {
  override readonly name = "NumberError";
}

const numberText = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/** Reads a number in JSON's notation. Undefined when the text is something else; throws NumberError when it has too many digits. */
export function parseNumber(text: string): RegoNumber | undefined {
  if (text.length < 16) {
    const quick = Number(text);
    if (Number.isSafeInteger(quick) && String(quick) === text) {
      return quick;
    }
  }
  const match = numberText.exec(text);
  if (match === null) {
    return undefined;
  }
  const [, sign, whole = "", fraction = "", exponentText = "0"] = match;
  const exponent = Number(exponentText) - fraction.length;
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  if (digits === "") {
    return 0;
  }
  if (digits.length > maxNumberDigits || Math.abs(exponent) > maxNumberDigits) {
    throw new NumberError(`number has more than ${maxNumberDigits} digits`);
  }
  return decimal(BigInt(`${sign}${digits}`), exponent);
}

/** The number coefficient × 10^exponent in its one form. */
export function decimal(coefficient: bigint, exponent: number): RegoNumber {
  while (exponent < 0 && coefficient % 10n === 0n) {
    coefficient /= 10n;
    exponent += 1;
    if (coefficient === 0n) {
      return 0;
    }
  }
  if (exponent >= 0) {
    return integer(coefficient * 10n ** BigInt(exponent));
  }
  const double = Number(`${coefficient}e${exponent}`);
  const back = doubleParts(double);
  if (back !== undefined && back.coefficient === coefficient && back.exponent === exponent) {
    return double;
  }
  return new Decimal(coefficient, exponent);
}

/** The integer in its one form. */
export function integer(value: bigint): number | bigint {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}

/** The number that a double's shortest text denotes. Throws NumberError for NaN and the infinities. */
export function fromDouble(value: number): RegoNumber {
  if (Number.isSafeInteger(value)) {
    return value === 0 ? 0 : value;
  }
  if (!Number.isFinite(value)) {
    throw new NumberError("not a finite number");
  }
  return Number.isInteger(value) ? BigInt(value) : value;
}

/** The double nearest to the number. */
export function toDouble(value: RegoNumber): number {
  return typeof value === "number" ? value : Number(numberToText(value));
}

/** Whether the number has no fraction. */
export function isInteger(value: RegoNumber): value is number | bigint {
  return typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
}

/** The integer as a bigint, or undefined for a fraction. */
export function toBigInt(value: RegoNumber): bigint | undefined {
  return isInteger(value) ? BigInt(value) : undefined;
}

/** The number in JSON's notation, shortest form, integers written out. */
export function numberToText(value: RegoNumber): string {
  if (typeof value === "number") {
    return String(value).replace("e+", "e");
  }
  if (typeof value === "bigint") {
    return value.toString();
  }
  const negative = value.coefficient < 0n;
  const digits = (negative ? -value.coefficient : value.coefficient).toString();
  const point = digits.length + value.exponent;
  const text = point > 0 ? `${digits.slice(0, point)}.${digits.slice(point)}` : `0.${"0".repeat(-point)}${digits}`;
  return negative ? `-${text}` : text;
}

/** Negative, zero or positive as a is less than, equal to or greater than b. */
export function compareNumbers(a: RegoNumber, b: RegoNumber): number {
  if (typeof a !== "object" && typeof b !== "object") {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  const [x, y] = aligned(a, b);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** a and b are the same number. */
export function equalNumbers(a: RegoNumber, b: RegoNumber): boolean {
  if (typeof a === "object" && typeof b === "object") {
    return a.coefficient === b.coefficient && a.exponent === b.exponent;
  }
  return a === b;
}

/** Sum, exact on integers; of fractions rounded as OPA does (64 bits). */
export function add(a: RegoNumber, b: RegoNumber): RegoNumber {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum) && Number.isInteger(a) && Number.isInteger(b)) {
      return sum;
    }
  }
  if (isInteger(a) && isInteger(b)) {
    return checked(BigInt(a) + BigInt(b));
  }
  return fromBinary(addBinary(toBinary(a), toBinary(b)));
}

/** Difference, exact on integers; of fractions rounded as OPA does (64 bits). */
export function subtract(a: RegoNumber, b: RegoNumber): RegoNumber {
  return add(a, negate(b));
}

/** The number with the opposite sign. */
export function negate(value: RegoNumber): RegoNumber {
  if (typeof value === "number") {
    return value === 0 ? 0 : -value;
  }
  return typeof value === "bigint" ? -value : new Decimal(-value.coefficient, value.exponent);
}

/** The number without its sign. */
export function absolute(value: RegoNumber): RegoNumber {
  return compareNumbers(value, 0) < 0 ? negate(value) : value;
}

/** Product, exact on integers; of fractions rounded as OPA does (64 bits). */
export function multiply(a: RegoNumber, b: RegoNumber): RegoNumber {
  if (typeof a === "number" && typeof b === "number") {
    const product = a * b;
    if (Number.isSafeInteger(product) && Number.isInteger(a) && Number.isInteger(b)) {
      return product === 0 ? 0 : product;
    }
  }
  if (isInteger(a) && isInteger(b)) {
    return checked(BigInt(a) * BigInt(b));
  }
  const x = toBinary(a);
  const y = toBinary(b);
  return fromBinary(roundBinary(x.mantissa * y.mantissa, x.exponent + y.exponent));
}

/** Quotient: exact when it is an integer, else rounded as OPA does (64 bits). Throws NumberError for a zero divisor. */
export function divide(a: RegoNumber, b: RegoNumber): RegoNumber {
  if (b === 0) {
    throw new NumberError("divide by zero");
  }
  if (isInteger(a) && isInteger(b)) {
    const x = BigInt(a);
    const y = BigInt(b);
    if (x % y === 0n) {
      return integer(x / y);
    }
  }
  const x = toBinary(a);
  const y = toBinary(b);
  return fromBinary(divideBinary(x, y));
}

/** Remainder with the sign of the dividend. Throws NumberError for a zero divisor and for fractions. */
export function remainder(a: RegoNumber, b: RegoNumber): RegoNumber {
  if (!isInteger(a) || !isInteger(b)) {
    throw new NumberError("modulo on floating-point number");
  }
  if (b === 0) {
    throw new NumberError("modulo by zero");
  }
  return integer(BigInt(a) % BigInt(b));
}

/** The largest integer that is not above the number. */
export function floor(value: RegoNumber): RegoNumber {
  if (isInteger(value)) {
    return value;
  }
  const { coefficient, exponent } = parts(value);
  const scale = 10n ** BigInt(-exponent);
  const quotient = coefficient / scale;
  return integer(coefficient < 0n ? quotient - 1n : quotient);
}

/** The smallest integer that is not below the number. */
export function ceiling(value: RegoNumber): RegoNumber {
  return negate(floor(negate(value)));
}

/** The nearest integer, halves away from zero. */
export function round(value: RegoNumber): RegoNumber {
  if (isInteger(value)) {
    return value;
  }
  const { coefficient, exponent } = parts(value);
  const scale = 10n ** BigInt(-exponent);
  const magnitude = ((coefficient < 0n ? -coefficient : coefficient) * 2n + scale) / (scale * 2n);
  return integer(coefficient < 0n ? -magnitude : magnitude);
}

function checked(value: bigint): RegoNumber {
  if (value > integerCeiling || value < -integerCeiling) {
    throw new NumberError(`number has more than ${maxNumberDigits} digits`);
  }
  return integer(value);
}

const integerCeiling = 10n ** BigInt(maxNumberDigits);

/** Coefficient and exponent of any number; the exponent of an integer is 0. */
function parts(value: RegoNumber): { readonly coefficient: bigint; readonly exponent: number } {
  if (typeof value === "object") {
    return value;
  }
  if (typeof value === "bigint" || Number.isInteger(value)) {
    return { coefficient: BigInt(value), exponent: 0 };
  }
  return doubleParts(value) ?? { coefficient: 0n, exponent: 0 };
}

function doubleParts(value: number): { readonly coefficient: bigint; readonly exponent: number } | undefined {
  const match = /^(-?\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential());
  if (match === null) {
    return undefined;
  }
  const [, lead = "0", tail = "", exponent = "0"] = match;
  return { coefficient: BigInt(lead + tail), exponent: Number(exponent) - tail.length };
}

function aligned(a: RegoNumber, b: RegoNumber): [bigint, bigint] {
  const x = parts(a);
  const y = parts(b);
  const exponent = Math.min(x.exponent, y.exponent);
  return [x.coefficient * 10n ** BigInt(x.exponent - exponent), y.coefficient * 10n ** BigInt(y.exponent - exponent)];
}

/** mantissa × 2^exponent, the mantissa at most 64 bits: the precision that OPA computes fractions with. */
interface Binary {
  readonly mantissa: bigint;
  readonly exponent: number;
}

const precision = 64;

/** Nearest value of 64 bits, ties to even; `sticky` says that the exact value lies a little further from zero. */
function roundBinary(mantissa: bigint, exponent: number, sticky = false): Binary {
  const negative = mantissa < 0n;
  const magnitude = negative ? -mantissa : mantissa;
  const surplus = magnitude.toString(2).length - precision;
  if (surplus <= 0) {
    return { mantissa, exponent };
  }
  const shift = BigInt(surplus);
  const rest = magnitude & ((1n << shift) - 1n);
  const half = 1n << (shift - 1n);
  let kept = magnitude >> shift;
  if (rest > half || (rest === half && (sticky || (kept & 1n) === 1n))) {
    kept += 1n;
  }
  return { mantissa: negative ? -kept : kept, exponent: exponent + surplus };
}

function toBinary(value: RegoNumber): Binary {
  const { coefficient, exponent } = parts(value);
  if (exponent === 0) {
    return roundBinary(coefficient, 0);
  }
  return divideExact(coefficient, 10n ** BigInt(-exponent), 0);
}

function divideExact(numerator: bigint, denominator: bigint, exponent: number): Binary {
  const shift = Math.max(0, denominator.toString(2).length - numerator.toString(2).length + precision + 3);
  const scaled = numerator << BigInt(shift);
  const quotient = scaled / denominator;
  return roundBinary(quotient, exponent - shift, quotient * denominator !== scaled);
}

function divideBinary(a: Binary, b: Binary): Binary {
  const sign = b.mantissa < 0n ? -1n : 1n;
  return divideExact(a.mantissa * sign, b.mantissa * sign, a.exponent - b.exponent);
}

function addBinary(a: Binary, b: Binary): Binary {
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  return roundBinary(sum, exponent);
}

/** The shortest decimal that rounds to the same 64 bits. */
function fromBinary(value: Binary): RegoNumber {
  if (value.mantissa === 0n) {
    return 0;
  }
  if (value.exponent >= 0) {
    return checked(value.mantissa << BigInt(value.exponent));
  }
  const denominator = 1n << BigInt(-value.exponent);
  if (value.mantissa % denominator === 0n) {
    return integer(value.mantissa / denominator);
  }
  const magnitude = Number(value.mantissa) * 2 ** value.exponent;
  const leading = magnitude === 0 ? -maxNumberDigits : Math.floor(Math.log10(Math.abs(magnitude)));
  for (let digits = 1; digits <= 22; digits += 1) {
    const candidate = roundedTo(value.mantissa, denominator, digits - 1 - leading);
    const back = toBinary(candidate);
    if (sameBinary(back, value)) {
      return candidate;
    }
  }
  return roundedTo(value.mantissa, denominator, 22 - leading);
}

function sameBinary(a: Binary, b: Binary): boolean {
  const exponent = Math.min(a.exponent, b.exponent);
  return a.mantissa << BigInt(a.exponent - exponent) === b.mantissa << BigInt(b.exponent - exponent);
}

/** numerator/denominator rounded to so many places after the point (negative: before it). */
function roundedTo(numerator: bigint, denominator: bigint, places: number): RegoNumber {
  const up = places >= 0 ? 10n ** BigInt(places) : 1n;
  const down = places < 0 ? 10n ** BigInt(-places) : 1n;
  const negative = numerator < 0n;
  const scaled = (negative ? -numerator : numerator) * up * 2n;
  const divisor = denominator * down;
  const rounded = (scaled + divisor) / (divisor * 2n);
  return decimal(negative ? -rounded : rounded, -places);
}
