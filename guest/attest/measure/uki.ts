import { GuestError } from "../../core/errors.ts";
import { decodeUtf8 } from "../../core/utf8.ts";
import { encodeExtraArchive, joinArchives } from "./initrd-archive.ts";
import { MeasurementRegister } from "./measurement-register.ts";
import { authenticodeDigest, type PeSection, parsePeSections } from "./pe-image.ts";

/** Registers (hex) after a UKI was booted by firmware, without boot loader or addons. PCRs are of the SHA-256 bank. */
export interface UkiRegisters {
  /** Configuration of option ROMs: only the separator, where there are none. */
  readonly pcr3: string;
  /** What was booted: UKI and kernel. Undefined when the stub's version is not {@link knownStub}. */
  readonly pcr4: string | undefined;
  /** What the kernel got: command line and initrd. Undefined as `pcr4`. */
  readonly pcr9: string | undefined;
  /** The UKI's sections, and the boot phases asked for. */
  readonly pcr11: string;
  /** Overrides of the command line: there are none. */
  readonly pcr12: string;
  /** TDX: what PCR 11 and 9 hold elsewhere, in one. Undefined as `pcr4`. */
  readonly rtmr2: string | undefined;
  /** Version of systemd-stub in the image, such as `257.13-1`; undefined when it doesn't say. */
  readonly stubVersion: string | undefined;
}

/** Whether a kernel is measured as an image of its own, and what is in the initrd, differs between versions of systemd-stub. */
export const knownStub = "257";

/** The order in which systemd-stub measures sections into PCR 11, whatever their order in the file. `.pcrsig` signs the result. */
const measuredSections = [
  ".linux",
  ".osrel",
  ".cmdline",
  ".initrd",
  ".ucode",
  ".splash",
  ".dtb",
  ".uname",
  ".sbat",
  ".pcrpkey",
  ".hwids",
];

/** Which of these counts is decided at boot. */
const undecidedSections = [".profile", ".dtbauto", ".efifw"];

/** What the firmware measures before and between (TCG PC Client Platform Firmware Profile 3.3.4.5). */
const bootAction = "Calling EFI Application from Boot Option";
const separator = Buffer.alloc(4);

/**
 * Computes what a TPM holds after a UKI was booted.
 *
 * @param uki the file
 * @param phases boot phases that systemd-pcrphase measured, such as `enter-initrd`; none where those units are masked
 * @throws GuestError `invalid-argument` for a file that is no UKI, `unimplemented` for one whose sections are chosen at boot
 */
export function computeUkiRegisters(uki: Uint8Array, phases: readonly string[] = []): UkiRegisters {
  const sections = indexSections(parsePeSections(uki));
  const undecided = undecidedSections.find((name) => sections.has(name));
  if (undecided !== undefined) {
    throw new GuestError("unimplemented", `UKI with a section ${undecided}: what is measured is decided at boot`);
  }
  const stubVersion = parseStubVersion(sections.get(".sdmagic"));
  const isKnown = stubVersion?.split(/[.~-]/)[0] === knownStub;
  const boot = isKnown ? computeKnownBoot(uki, sections) : { pcr4: undefined, pcr9: undefined, rtmr2: undefined };
  return {
    ...boot,
    pcr3: pcr().measure(separator).hex,
    pcr11: measurePhases(measureSections(pcr(), sections), phases).hex,
    pcr12: pcr().hex,
    stubVersion,
  };
}

type Sections = ReadonlyMap<string, Uint8Array>;

/** What depends on the version of systemd-stub. */
function computeKnownBoot(uki: Uint8Array, sections: Sections): Pick<UkiRegisters, "pcr4" | "pcr9" | "rtmr2"> {
  const kernel = sections.get(".linux") ?? new Uint8Array(0);
  const images = pcr().measure(bootAction).measure(separator);
  return {
    // The firmware boots the UKI, and systemd-stub has it load the kernel.
    pcr4: images.extend(authenticodeDigest(uki)).extend(authenticodeDigest(kernel)).hex,
    pcr9: measureKernelInput(pcr(), sections).hex,
    rtmr2: measureKernelInput(measureSections(new MeasurementRegister("sha384"), sections), sections).hex,
  };
}

/** The kernel measures its load options and the initrd that it is handed. */
function measureKernelInput(register: MeasurementRegister, sections: Sections): MeasurementRegister {
  register.measure(encodeLoadOptions(sections.get(".cmdline")));
  const initrd = composeInitrd(sections);
  return initrd.length > 0 ? register.measure(initrd) : register;
}

/** systemd-stub measures name and content of each section. */
function measureSections(register: MeasurementRegister, sections: Sections): MeasurementRegister {
  for (const name of measuredSections) {
    const content = sections.get(name);
    if (content !== undefined) register.measure(`${name}\0`).measure(content);
  }
  return register;
}

function measurePhases(register: MeasurementRegister, phases: readonly string[]): MeasurementRegister {
  for (const phase of phases) register.measure(phase);
  return register;
}

function pcr(): MeasurementRegister {
  return new MeasurementRegister("sha256");
}

/** As systemd-stub passes it: up to a NUL, control characters as spaces, trimmed; UTF-16 with its end. */
function encodeLoadOptions(section: Uint8Array | undefined): Uint8Array {
  const [text = ""] = decodeUtf8(section ?? new Uint8Array(0), "section .cmdline").split("\0");
  const line = text.replaceAll(/[\u0001-\u001f]/g, " ").replaceAll(/^ +| +$/g, "");
  return Buffer.from(`${line}\0`, "utf16le");
}

/** Microcode, the initrd proper, then an archive for each section that is for the initrd's eyes. */
function composeInitrd(sections: Sections): Uint8Array {
  const plain = [".ucode", ".initrd"].map((name) => sections.get(name));
  const extras = [
    ["tpm2-pcr-signature.json", ".pcrsig"],
    ["tpm2-pcr-public-key.pem", ".pcrpkey"],
    ["os-release", ".osrel"],
  ] as const;
  const archives = extras.map(([file, name]) => {
    const content = sections.get(name);
    return content && encodeExtraArchive(file, content);
  });
  return joinArchives([...plain, ...archives].filter((archive) => archive !== undefined));
}

function indexSections(sections: readonly PeSection[]): Sections {
  const byName = new Map<string, Uint8Array>();
  for (const { name, content } of sections) {
    if (byName.has(name)) throw new GuestError("invalid-argument", `UKI has several sections ${name}`);
    byName.set(name, content);
  }
  if (!byName.has(".linux")) throw new GuestError("invalid-argument", "no UKI: there is no section .linux");
  return byName;
}

/** `.sdmagic` says `#### LoaderInfo: systemd-stub 257.13-1 ####`. */
function parseStubVersion(section: Uint8Array | undefined): string | undefined {
  if (section === undefined) return undefined;
  return /systemd-stub (\S+) ####/.exec(Buffer.from(section).toString("latin1"))?.[1];
}
