import type { Tpm } from "../../../guest/sys/tpm/tpm.ts";
import { uint16 } from "../../../guest/sys/tpm/wire.ts";

/**
 * Random bytes of the TPM: the shortest command whose answer has content.
 *
 * @param length 1 to 32, which every TPM gives in one answer
 * @throws TpmError; GuestError `data-loss` when there are fewer
 */
export async function getRandom(tpm: Tpm, length: number): Promise<Uint8Array> {
  const response = await tpm.execute({ name: "TPM2_GetRandom", code: 0x17b, parameters: [uint16(length)] });
  const bytes = response.sized();
  response.end();
  if (bytes.length !== length) throw response.malformed("has another number of random bytes than was asked for");
  return bytes;
}
