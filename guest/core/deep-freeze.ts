/**
 * Freezes a decoded request and all it holds, so that what the policy judged is what gets executed (threat model row 20).
 * Byte arrays cannot be frozen by the language; the decoder hands out copies that nothing else holds.
 *
 * @returns the same object
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array || Object.isFrozen(value))
    return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
