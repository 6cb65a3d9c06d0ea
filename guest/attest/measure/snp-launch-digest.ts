import { createHash } from "node:crypto";
import { GuestError } from "../../core/errors.ts";
import { numberOf, parseFirmwareTable, parseMetadataSections } from "./firmware-table.ts";
import { type DirectBoot, encodeKernelHashesPage } from "./kernel-hashes.ts";
import { encodeVcpuState, resetAddress } from "./vcpu-state.ts";

/** A SEV-SNP VM as QEMU launches it. */
export interface SnpLaunch {
  /** The OVMF file. */
  readonly firmware: Uint8Array;
  readonly vcpus: number;
  /** CPUID signature, see `cpuSignatureOf`. */
  readonly cpuSignature: number;
  /** SEV_FEATURES of each CPU: 1 is SNP alone, which is what QEMU asks for. */
  readonly sevFeatures: bigint;
  /** The kernel that QEMU loads; undefined when the firmware boots from a disk. */
  readonly directBoot: DirectBoot | undefined;
}

/** Page types of PAGE_INFO (SNP firmware ABI 8.17). */
const pageTypes = { normal: 1, vmsa: 2, zero: 3, secrets: 5, cpuid: 6 } as const;

/** Types of sections in OVMF's SEV metadata. */
const sectionTypes = { securityMemory: 1, secrets: 2, cpuid: 3, svsmCallingArea: 4, kernelHashes: 0x10 } as const;

/** Sections whose content is not measured, and the pages that they get. Without a kernel there are no hashes of one. */
const emptyPageTypes: ReadonlyMap<number, number> = new Map([
  [sectionTypes.securityMemory, pageTypes.zero],
  [sectionTypes.secrets, pageTypes.secrets],
  [sectionTypes.cpuid, pageTypes.cpuid],
  [sectionTypes.svsmCallingArea, pageTypes.zero],
  [sectionTypes.kernelHashes, pageTypes.zero],
]);

const sevMetadataGuid = "dc886566-984a-4798-a75e-5585a7bf67cc";
const sevResetBlockGuid = "00f771de-1a7e-4fcb-890e-68c77e2fb44e";
const kernelHashesGuid = "7255371f-3a3b-4b04-927b-1da6efa8d454";

/** The firmware ends here. */
const fourGib = 2 ** 32;
const pageBytes = 4096;
const digestBytes = 48;
const pageInfoBytes = 0x70;
const maxVcpus = 512;
const maxSectionPages = 65_536;

/** Where VMSA pages are said to be: all bits that an address may have. */
const vmsaAddress = 0xffff_ffff_f000n;

interface MetadataSection {
  readonly address: number;
  readonly size: number;
  readonly type: number;
}

/**
 * Computes the launch digest (MEASUREMENT of a report): a chain of SHA-384 over the pages in the order of launch: firmware, the pages
 * that its metadata asks for, the state of each CPU.
 *
 * @returns 48 bytes
 * @throws GuestError `invalid-argument` for a firmware that can't be launched so, or that checks no kernel when one is given
 */
export function computeSnpLaunchDigest(launch: SnpLaunch): Uint8Array {
  const { firmware, vcpus, directBoot } = launch;
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > maxVcpus)
    throw invalid(`number of CPUs is not 1 to ${maxVcpus}`);
  if (firmware.length % pageBytes !== 0) throw invalid("firmware is no whole number of pages");
  const digest = new LaunchDigest();
  digest.addContent(fourGib - firmware.length, firmware);
  const sections = parseSevSections(firmware);
  if (directBoot !== undefined && !sections.some(({ type }) => type === sectionTypes.kernelHashes)) {
    throw invalid("firmware does not check kernel hashes, so that a kernel of its own can't be vouched for");
  }
  for (const section of sections) addSection(digest, section, launch);
  addVcpus(digest, launch);
  return digest.value;
}

function addSection(digest: LaunchDigest, { address, size, type }: MetadataSection, launch: SnpLaunch): void {
  const { firmware, directBoot } = launch;
  if (type === sectionTypes.kernelHashes && directBoot !== undefined) {
    digest.addContent(address, encodeKernelHashes(firmware, directBoot));
    return;
  }
  const pageType = emptyPageTypes.get(type);
  if (pageType === undefined) throw invalid(`firmware asks for pages of unknown type ${type}`);
  digest.addEmpty(pageType, address, size);
}

function encodeKernelHashes(firmware: Uint8Array, directBoot: DirectBoot): Uint8Array {
  const address = numberOf(parseFirmwareTable(firmware), kernelHashesGuid) ?? 0;
  if (address === 0) throw invalid("firmware does not say where it looks for kernel hashes");
  return encodeKernelHashesPage(directBoot, address % pageBytes);
}

function addVcpus(digest: LaunchDigest, { firmware, vcpus, cpuSignature, sevFeatures }: SnpLaunch): void {
  digest.addVcpu(encodeVcpuState(resetAddress, cpuSignature, sevFeatures));
  if (vcpus === 1) return;
  const startAddress = numberOf(parseFirmwareTable(firmware), sevResetBlockGuid);
  if (startAddress === undefined) throw invalid("firmware does not say where further CPUs start");
  const state = encodeVcpuState(startAddress, cpuSignature, sevFeatures);
  for (let vcpu = 1; vcpu < vcpus; vcpu += 1) digest.addVcpu(state);
}

function parseSevSections(firmware: Uint8Array): readonly MetadataSection[] {
  const layout = { signature: "ASEV", sectionBytes: 12 };
  const sections = parseMetadataSections(firmware, sevMetadataGuid, layout);
  if (sections === undefined) throw invalid("firmware has no metadata for SEV-SNP");
  return sections.map((bytes) => {
    const section = { address: bytes.readUInt32LE(0), size: bytes.readUInt32LE(4), type: bytes.readUInt32LE(8) };
    if (section.size % pageBytes !== 0 || section.size / pageBytes > maxSectionPages) {
      throw invalid("firmware asks for an impossible number of pages");
    }
    return section;
  });
}

/** The digest as SNP_LAUNCH_UPDATE makes it grow. */
class LaunchDigest {
  #value: Uint8Array = new Uint8Array(digestBytes);

  get value(): Uint8Array {
    return this.#value;
  }

  /** Pages with content. */
  addContent(address: number, bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length; offset += pageBytes) {
      this.#add(pageTypes.normal, BigInt(address + offset), sha384(bytes.subarray(offset, offset + pageBytes)));
    }
  }

  /** Pages of which only type and place are measured. */
  addEmpty(type: number, address: number, size: number): void {
    for (let offset = 0; offset < size; offset += pageBytes) {
      this.#add(type, BigInt(address + offset), new Uint8Array(digestBytes));
    }
  }

  /** A CPU's state. */
  addVcpu(state: Uint8Array): void {
    this.#add(pageTypes.vmsa, vmsaAddress, sha384(state));
  }

  /** PAGE_INFO: digest so far, digest of the page, length, type, no migration image, no permissions of other VMPLs, address. */
  #add(type: number, address: bigint, contentDigest: Uint8Array): void {
    const info = Buffer.alloc(pageInfoBytes);
    info.set(this.#value, 0);
    info.set(contentDigest, digestBytes);
    info.writeUInt16LE(pageInfoBytes, 96);
    info.writeUInt8(type, 98);
    info.writeBigUInt64LE(address, 104);
    this.#value = sha384(info);
  }
}

function sha384(bytes: Uint8Array): Uint8Array {
  return createHash("sha384").update(bytes).digest();
}

function invalid(message: string): GuestError {
  return new GuestError("invalid-argument", message);
}
