import { GuestError } from "../../core/errors.ts";
import { readFileIfPresent, writeKernelFile } from "../../sys/file.ts";

/**
 * Reserves the huge pages that a volume asks for (spec/agent-rpc.md 8, `ephemeral`), besides those of other volumes.
 *
 * @param options mount options; `pagesize=` and `size=` are in bytes and both needed
 * @returns gives as many back, for when the volume goes
 * @throws GuestError `internal` with the reference's wording when the kernel cannot give that many
 */
export function reserveHugePages(options: readonly string[]): () => void {
  const pageSize = byteCount(options, "pagesize");
  const size = byteCount(options, "size");
  if (pageSize < 1024n || size % pageSize !== 0n)
    throw new GuestError("internal", "huge page volume has a malformed size");
  const file = `/sys/kernel/mm/hugepages/hugepages-${pageSize / 1024n}kB/nr_hugepages`;
  const present = pageCount(file);
  if (present === undefined) throw new GuestError("internal", "the guest has no huge pages of this size");
  const count = size / pageSize;
  const wanted = present + count;
  writeKernelFile(file, wanted.toString());
  const allocated = pageCount(file) ?? 0n;
  if (allocated >= wanted) return () => giveBack(file, count);
  writeKernelFile(file, present.toString());
  throw new GuestError("internal", `Only allocated ${allocated} of ${wanted} hugepages of size ${pageSize}`);
}

function giveBack(file: string, count: bigint): void {
  const present = pageCount(file) ?? 0n;
  writeKernelFile(file, (present > count ? present - count : 0n).toString());
}

function byteCount(options: readonly string[], name: string): bigint {
  const option = options.find((candidate) => candidate.startsWith(`${name}=`));
  if (option === undefined) throw new GuestError("internal", `huge page volume needs ${name}`);
  return BigInt(option.slice(name.length + 1));
}

function pageCount(file: string): bigint | undefined {
  const text = readFileIfPresent(file, 64);
  return text === undefined ? undefined : BigInt(text.toString().trim());
}
