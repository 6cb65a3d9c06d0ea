import { GuestError } from "../../core/errors.ts";
import { maxNvBytes, nvChunkBytes } from "./limits.ts";
import { isTpmError } from "./response-code.ts";
import type { Tpm } from "./tpm.ts";
import { sized, TpmReader, uint16, uint32 } from "./wire.ts";

/** Public area of an NV index (TPMS_NV_PUBLIC). */
export interface NvPublic {
  readonly index: number;
  /** TPMA_NV. */
  readonly attributes: number;
  readonly dataSizeBytes: number;
}

/** TPM_RH_OWNER, whose password is empty in a VM. */
const owner = 0x4000_0001;

/** TPMA_NV: OWNERWRITE and OWNERREAD (spec/tee-abi.md 6). */
const ownerReadWrite = 0x0002_0002;
const sha256Algorithm = 0x000b;

/**
 * Reads the public area of an NV index.
 *
 * @returns undefined when there is no such index
 * @throws TpmError; GuestError `data-loss`
 */
export async function readNvPublic(tpm: Tpm, index: number): Promise<NvPublic | undefined> {
  let response: TpmReader;
  try {
    response = await tpm.execute({ name: "TPM2_NV_ReadPublic", code: 0x169, handles: [index] });
  } catch (error) {
    if (isTpmError(error, "HANDLE")) return undefined;
    throw error;
  }
  const area = new TpmReader(response.sized(), "TPM2_NV_ReadPublic: the public area");
  response.sized(); // name
  response.end();
  const found = area.uint32();
  area.uint16(); // hash of the name
  const attributes = area.uint32();
  area.sized(); // policy
  const dataSizeBytes = area.uint16();
  area.end();
  if (found !== index) throw area.malformed("is of another index");
  return { index, attributes, dataSizeBytes };
}

/**
 * Reads all of an NV index by the owner's authority, in pieces that every TPM allows.
 *
 * @returns undefined when there is no such index
 * @throws TpmError such as `NV_UNINITIALIZED`; GuestError `resource-exhausted` for an index over {@link maxNvBytes}
 */
export async function readNv(tpm: Tpm, index: number): Promise<Uint8Array | undefined> {
  const area = await readNvPublic(tpm, index);
  if (area === undefined) return undefined;
  const { dataSizeBytes } = area;
  if (dataSizeBytes > maxNvBytes) throw new GuestError("resource-exhausted", `NV index has over ${maxNvBytes} bytes`);
  const pieces: Buffer[] = [];
  for (let offset = 0; offset < dataSizeBytes; offset += nvChunkBytes) {
    const length = Math.min(nvChunkBytes, dataSizeBytes - offset);
    const response = await tpm.execute({
      name: "TPM2_NV_Read",
      code: 0x14e,
      handles: [owner, index],
      authorized: true,
      parameters: [uint16(length), uint16(offset)],
    });
    const piece = response.sized();
    response.end();
    if (piece.length !== length) throw response.malformed("has another number of bytes than was asked for");
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/**
 * Makes an NV index hold exactly these bytes: defines it, or defines it anew when it has another size, and writes.
 *
 * @param bytes 1 to {@link nvChunkBytes}
 * @throws TpmError
 */
export async function replaceNv(tpm: Tpm, index: number, bytes: Uint8Array): Promise<void> {
  const area = await readNvPublic(tpm, index);
  if (area !== undefined && area.dataSizeBytes !== bytes.length) await undefineNv(tpm, index);
  if (area?.dataSizeBytes !== bytes.length) await defineNv(tpm, index, bytes.length);
  await writeNv(tpm, index, bytes, 0);
}

/** Defines an NV index that the owner may read and write. @throws TpmError such as `NV_DEFINED` */
export async function defineNv(tpm: Tpm, index: number, sizeBytes: number): Promise<void> {
  const nothing = sized(new Uint8Array(0));
  const publicArea = [uint32(index), uint16(sha256Algorithm), uint32(ownerReadWrite), nothing, uint16(sizeBytes)];
  const response = await tpm.execute({
    name: "TPM2_NV_DefineSpace",
    code: 0x12a,
    handles: [owner],
    authorized: true,
    parameters: [nothing, sized(Buffer.concat(publicArea))],
  });
  response.end();
}

/** Removes an NV index. @throws TpmError */
export async function undefineNv(tpm: Tpm, index: number): Promise<void> {
  const handles = [owner, index];
  (await tpm.execute({ name: "TPM2_NV_UndefineSpace", code: 0x122, handles, authorized: true })).end();
}

/** Writes a piece of an NV index, at most {@link nvChunkBytes}. @throws TpmError */
export async function writeNv(tpm: Tpm, index: number, bytes: Uint8Array, offset: number): Promise<void> {
  const response = await tpm.execute({
    name: "TPM2_NV_Write",
    code: 0x137,
    handles: [owner, index],
    authorized: true,
    parameters: [sized(bytes), uint16(offset)],
  });
  response.end();
}
