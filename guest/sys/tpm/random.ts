import { GuestError } from "../../core/errors.ts";
import type { Tpm } from "./tpm.ts";
import { uint16 } from "./wire.ts";

/**
 * Random bytes of the TPM, for mixing into the kernel's pool.
 *
 * @param length 1 to 32, which every TPM gives in one answer
 * @throws TpmError; GuestError `data-loss` when there are fewer
 */
export async function getRandom(tpm: Tpm, length: number): Promise<Uint8Array> {
  if (length < 1 || length > 32) throw new GuestError("invalid-argument", "a TPM gives 1 to 32 random bytes at once");
  const response = await tpm.execute({ name: "TPM2_GetRandom", code: 0x17b, parameters: [uint16(length)] });
  const bytes = response.sized();
  response.end();
  if (bytes.length !== length) throw response.malformed("has another number of random bytes than was asked for");
  return bytes;
}
