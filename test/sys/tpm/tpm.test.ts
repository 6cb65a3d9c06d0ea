import { createHash, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { defineNv, readNv, readNvPublic, replaceNv } from "../../../guest/sys/tpm/nv.ts";
import { allPcrs, extendPcr, readPcrs } from "../../../guest/sys/tpm/pcr.ts";
import { readPublicKey } from "../../../guest/sys/tpm/public-key.ts";
import { parseQuoteStatement, quote } from "../../../guest/sys/tpm/quote.ts";
import { getRandom } from "./random.ts";
import { hasSoftwareTpm, SoftwareTpm } from "./software-tpm.ts";

const attestationKey = 0x8100_0003;
const index = 0x0140_0002;

describe.skipIf(!hasSoftwareTpm)("TPM commands against swtpm", () => {
  test("random bytes differ from call to call", async () => {
    await using software = await SoftwareTpm.start();
    const [first, second] = [await getRandom(software.tpm, 32), await getRandom(software.tpm, 32)];
    expect(first).toHaveLength(32);
    expect(first).not.toEqual(second);
  });

  test("a PCR grows by hashing, and only that one", async () => {
    await using software = await SoftwareTpm.start();
    const before = await readPcrs(software.tpm, allPcrs);
    expect(before).toHaveLength(24);
    const digest = createHash("sha256").update("initdata").digest();
    await extendPcr(software.tpm, 8, digest);
    const after = await readPcrs(software.tpm, allPcrs);
    const expected = createHash("sha256").update(Buffer.alloc(32)).update(digest).digest();
    expect(after[8]).toEqual(expected);
    expect(after.filter((value, pcr) => !Buffer.from(value).equals(before[pcr] ?? Buffer.of()))).toHaveLength(1);
    expect(await readPcrs(software.tpm, [17, 8])).toEqual([after[17], after[8]]);
  });

  test("the register and the digest of an extension are checked before the TPM is asked", async () => {
    await using software = await SoftwareTpm.start();
    await expect(extendPcr(software.tpm, 24, Buffer.alloc(32))).rejects.toThrow("there is no PCR 24");
    await expect(extendPcr(software.tpm, 8, Buffer.alloc(48))).rejects.toThrow("expected sha256 digest");
  });

  test("an NV index is made, read in pieces, and made anew when its size changes", async () => {
    await using software = await SoftwareTpm.start();
    const { tpm } = software;
    expect(await readNvPublic(tpm, index)).toBeUndefined();
    expect(await readNv(tpm, index)).toBeUndefined();
    const content = Buffer.from(Array.from({ length: 1900 }, (_, at) => at % 251));
    await software.provisionNv(index, content);
    expect(await readNv(tpm, index)).toEqual(content);
    await replaceNv(tpm, index, Buffer.from("nonce"));
    await replaceNv(tpm, index, Buffer.from("again"));
    expect(Buffer.from((await readNv(tpm, index)) ?? []).toString()).toBe("again");
    expect((await readNvPublic(tpm, index))?.dataSizeBytes).toBe(5);
  });

  test("an error of the TPM has the name that the specification gives its code", async () => {
    await using software = await SoftwareTpm.start();
    const { tpm } = software;
    await defineNv(tpm, index, 8);
    await expect(readNv(tpm, index)).rejects.toThrow("TPM2_NV_Read: the TPM answered TPM_RC_NV_UNINITIALIZED");
    await expect(defineNv(tpm, index, 8)).rejects.toMatchObject({ responseName: "NV_DEFINED", responseCode: 0x14c });
    await expect(readPublicKey(tpm, attestationKey)).rejects.toMatchObject({ responseName: "HANDLE" });
  });

  test("a quote is signed by the key, over the nonce and the PCRs", async () => {
    await using software = await SoftwareTpm.start();
    const { tpm } = software;
    await software.provisionAttestationKey(attestationKey);
    await extendPcr(tpm, 16, createHash("sha256").update("event").digest());
    const nonce = Buffer.alloc(48, 7);
    const { message, signature } = await quote(tpm, attestationKey, nonce, allPcrs);
    const key = await readPublicKey(tpm, attestationKey);
    expect(key.isRestrictedSigningKey).toBe(true);
    expect(verify("sha256", message, key.publicKey, signature)).toBe(true);
    const statement = parseQuoteStatement(message);
    expect(statement.extraData).toEqual(nonce);
    expect(statement.pcrs).toEqual(allPcrs);
    const values = await readPcrs(tpm, allPcrs);
    expect(createHash("sha256").update(Buffer.concat(values)).digest()).toEqual(statement.pcrDigest);
  });

  test("qualifying data that is longer than a TPM takes is refused by the name of the code", async () => {
    await using software = await SoftwareTpm.start();
    await software.provisionAttestationKey(attestationKey);
    await expect(quote(software.tpm, attestationKey, Buffer.alloc(100), [0])).rejects.toMatchObject({
      responseName: "SIZE",
      code: "invalid-argument",
    });
  });

  test("callers at the same time are served one after another", async () => {
    await using software = await SoftwareTpm.start();
    const { tpm } = software;
    const answers = await Promise.allSettled([
      ...Array.from({ length: 20 }, () => getRandom(tpm, 16)),
      readNv(tpm, 0x0180_0001),
      extendPcr(tpm, 16, Buffer.alloc(32, 1)),
      readPublicKey(tpm, attestationKey),
    ]);
    expect(answers.filter(({ status }) => status === "rejected")).toHaveLength(1);
  });
});
