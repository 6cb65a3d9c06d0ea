import { parseArgs } from "node:util";
import { computeInitDataValues } from "../attest/measure/initdata-values.ts";
import { computeMrtd } from "../attest/measure/mrtd.ts";
import { type Measured, nameReferenceValues } from "../attest/measure/reference-values.ts";
import { computeSnpLaunchDigest } from "../attest/measure/snp-launch-digest.ts";
import { computeUkiRegisters, knownStub } from "../attest/measure/uki.ts";
import { cpuModelNames, cpuSignatureOf } from "../attest/measure/vcpu-state.ts";
import {
  encodeReferenceConfigMap,
  encodeReferenceValues,
  type ReferenceValue,
} from "../attest/reference-values/format.ts";
import { type CommandIo, exitCodes } from "../core/command.ts";
import { unwrapInitdata } from "../initdata/encodings.ts";
import { parseInitdata } from "../initdata/initdata.ts";
import { readInputFile } from "./input-file.ts";
import { createCommand, parseOption, UsageError } from "./usage.ts";

const usage = `usage: podkeep measure [--initdata FILE] [--uki FILE] [--ovmf FILE …] [--json | --config-map]

Computes what a verifier should find in evidence of a VM, under the names that Trustee's attestation policies ask for.

  --initdata FILE   document or any encoded form: init_data (PCR 8, HOST_DATA, MRCONFIGID) and PCR 8
  --uki FILE        unified kernel image, booted by firmware: PCR 3, 4, 9, 11, 12, RTMR 2
    --phases P:P    boot phases that systemd-pcrphase measured, such as enter-initrd:leave-initrd; none where it is masked
  --ovmf FILE       firmware of a VM that QEMU launches. TDX: mr_td; with these, SEV-SNP: snp_launch_measurement
    --vcpus N
    --vcpu-type T   ${cpuModelNames.join(", ")}; also with a version, such as EPYC-v4
    --sev-features N  SEV_FEATURES of the CPUs; 1 when absent
    --kernel FILE, --initrd FILE, --cmdline TEXT  what QEMU loads with kernel-hashes=on

  --json            reference values for RVPS
  --config-map      the ConfigMap of the Trustee operator with them; --namespace NAME (trustee-operator-system)
  --expires DATE    when the values lose their force; a year from now when absent

Exit code 0: printed; 1: a file is not what it should be; 2: wrong command line.
`;

const options = {
  initdata: { type: "string" },
  uki: { type: "string" },
  phases: { type: "string" },
  ovmf: { type: "string" },
  vcpus: { type: "string" },
  "vcpu-type": { type: "string" },
  "sev-features": { type: "string" },
  kernel: { type: "string" },
  initrd: { type: "string" },
  cmdline: { type: "string" },
  json: { type: "boolean", default: false },
  "config-map": { type: "boolean", default: false },
  namespace: { type: "string", default: "trustee-operator-system" },
  expires: { type: "string" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

/** Options that mean nothing without another. */
const dependentOptions: readonly (readonly [option: keyof Values, needed: keyof Values])[] = [
  ["phases", "uki"],
  ["vcpus", "ovmf"],
  ["vcpu-type", "vcpus"],
  ["vcpus", "vcpu-type"],
  ["sev-features", "vcpus"],
  ["kernel", "vcpus"],
  ["initrd", "kernel"],
  ["cmdline", "kernel"],
];

const maxFileBytes = 1024 * 1024 * 1024;
const yearMs = 365 * 24 * 60 * 60 * 1000;

/** `podkeep measure`. */
export const run = createCommand("measure", usage, async (args, io) => {
  const { values } = parseArgs({ args: [...args], options });
  for (const [option, needed] of dependentOptions) {
    if (values[option] !== undefined && values[needed] === undefined)
      throw new UsageError(`--${option} needs --${needed}`);
  }
  if (values.json && values["config-map"]) throw new UsageError("--json or --config-map, not both");
  const expiration = parseExpiration(values.expires);
  const namespace = parseNamespace(values.namespace);
  const references = nameReferenceValues(await measure(values, io));
  if (references.length === 0) throw new UsageError("one of --initdata, --uki, --ovmf is needed");
  if (values["config-map"]) io.stdout(encodeReferenceConfigMap(references, expiration, namespace));
  else if (values.json) io.stdout(`${encodeReferenceValues(references, expiration)}\n`);
  else io.stdout(formatTable(references));
  return exitCodes.success;
});

async function measure(values: Values, io: CommandIo): Promise<Measured> {
  return {
    ...(values.initdata === undefined ? {} : { initData: await measureInitdata(values.initdata, io) }),
    ...(values.uki === undefined ? {} : { uki: await measureUki(values.uki, values.phases, io) }),
    ...(values.ovmf === undefined ? {} : await measureFirmware(values.ovmf, values, io)),
  };
}

async function measureInitdata(file: string, io: CommandIo): Promise<ReturnType<typeof computeInitDataValues>> {
  const { digest, algorithm } = parseInitdata(unwrapInitdata(await readInputFile(file, maxFileBytes, io)));
  const values = computeInitDataValues(digest);
  if (values.pcr8 === undefined)
    io.stderr(`note: no PCR 8, since a vTPM binds sha256 only and the document has ${algorithm}\n`);
  return values;
}

async function measureUki(
  file: string,
  phases: string | undefined,
  io: CommandIo,
): Promise<ReturnType<typeof computeUkiRegisters>> {
  const registers = computeUkiRegisters(await readInputFile(file, maxFileBytes, io), phases?.split(":"));
  if (registers.pcr4 === undefined) {
    const found = registers.stubVersion ?? "an unknown version";
    io.stderr(
      `note: no PCR 4 and 9, no RTMR 2: they are known for systemd-stub ${knownStub}, the image has ${found}\n`,
    );
  }
  return registers;
}

async function measureFirmware(file: string, values: Values, io: CommandIo): Promise<Measured> {
  const firmware = await readInputFile(file, maxFileBytes, io);
  if (values.vcpus === undefined || values["vcpu-type"] === undefined) {
    const orders = ["page-by-page", "section-by-section"] as const;
    return { mrtd: orders.map((order) => hexOf(computeMrtd(firmware, order))) };
  }
  const kernel = values.kernel === undefined ? undefined : await readInputFile(values.kernel, maxFileBytes, io);
  const initrd = values.initrd === undefined ? new Uint8Array(0) : await readInputFile(values.initrd, maxFileBytes, io);
  const launch = {
    firmware,
    vcpus: parseNumber(values.vcpus, "--vcpus"),
    cpuSignature: parseOption(values["vcpu-type"], "--vcpu-type", cpuSignatureOf),
    sevFeatures: BigInt(parseNumber(values["sev-features"] ?? "1", "--sev-features")),
    directBoot: kernel && { kernel, initrd, commandLine: values.cmdline ?? "" },
  };
  return { launchDigest: hexOf(computeSnpLaunchDigest(launch)) };
}

function formatTable(references: readonly ReferenceValue[]): string {
  return references.flatMap(({ name, values }) => values.map((value) => `${name.padEnd(22)} ${value}\n`)).join("");
}

function parseNumber(text: string, option: string): number {
  const number = Number(text);
  if (!/^(?:0x[0-9a-fA-F]+|[0-9]+)$/.test(text) || !Number.isSafeInteger(number)) {
    throw new UsageError(`${option} is no number`);
  }
  return number;
}

function parseExpiration(text: string | undefined): Date {
  const date = text === undefined ? new Date(Date.now() + yearMs) : new Date(text);
  if (Number.isNaN(date.getTime())) throw new UsageError("--expires is no date");
  return date;
}

function parseNamespace(text: string): string {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) throw new UsageError("--namespace is no Kubernetes name");
  return text;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
