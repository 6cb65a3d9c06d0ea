import { parseArgs } from "node:util";
import { encodeBase64 } from "../core/base64.ts";
import { type CommandIo, exitCodes } from "../core/command.ts";
import { GuestError, messageOf } from "../core/errors.ts";
import { formatJson } from "../core/json.ts";
import { decodeUtf8 } from "../core/utf8.ts";
import { encodeCarrier } from "../initdata/carrier.ts";
import { composeInitdata } from "../initdata/compose-document.ts";
import {
  digestAlgorithms,
  isDigestAlgorithm,
  type LaunchDataPlatform,
  launchDataBytes,
  launchDataOf,
  parseDigest,
  pcr8Of,
  requireDigest,
} from "../initdata/digest.ts";
import { encodeAnnotation, unwrapInitdata } from "../initdata/encodings.ts";
import { parseInitdata } from "../initdata/initdata.ts";
import { maxEntryBytes } from "../initdata/limits.ts";
import { writeFileAtomically } from "../sys/file.ts";
import { checkInitdata } from "./initdata-check.ts";
import { readInputFile } from "./input-file.ts";
import { createCommand, parseOption, UsageError } from "./usage.ts";

const usage = `usage: podkeep initdata encode [--block-device IMAGE] FILE
       podkeep initdata encode [--block-device IMAGE] [--algorithm NAME] [--aa FILE] [--cdh FILE] [--podkeep FILE] [--policy FILE]
       podkeep initdata decode FILE
       podkeep initdata digest [--json] FILE
       podkeep initdata check [--expect DIGEST [--platform NAME]] FILE

  encode   print the value for the pod annotation io.katacontainers.config.hypervisor.cc_init_data (base64 of gzip), of a
           document or of a new one made of the files given; with --block-device write the image of Kata's block device
  decode   print the TOML document
  digest   print the digest and what each platform reports for it
  check    read it as the guest does, the files in it included; print what is in it

FILE is the TOML document or any encoded form of it; - is standard input.

  --algorithm NAME  ${digestAlgorithms.join(", ")}; sha256 when absent
  --expect DIGEST   fail unless the document has this digest (hex or base64)
  --platform NAME   the expected digest is what this platform reports: ${Object.keys(launchDataBytes).join(", ")}

Exit code 0: done or valid; 1: invalid, with the key at fault on standard error; 2: wrong command line.
`;

/** Larger than every form of a document that is accepted. */
const maxFileBytes = 32 * 1024 * 1024;

const options = {
  "block-device": { type: "string" },
  algorithm: { type: "string" },
  aa: { type: "string" },
  cdh: { type: "string" },
  podkeep: { type: "string" },
  policy: { type: "string" },
  json: { type: "boolean" },
  expect: { type: "string" },
  platform: { type: "string" },
} as const;

type Arguments = ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
type Values = Arguments["values"];
type Action = (values: Values, files: readonly string[], io: CommandIo) => Promise<void>;

const actions: ReadonlyMap<string, { readonly run: Action; readonly accepts: readonly (keyof Values)[] }> = new Map([
  ["encode", { run: encode, accepts: ["block-device", "algorithm", "aa", "cdh", "podkeep", "policy"] }],
  ["decode", { run: decode, accepts: [] }],
  ["digest", { run: digest, accepts: ["json"] }],
  ["check", { run: check, accepts: ["expect", "platform"] }],
]);

/** `podkeep initdata encode|decode|digest|check`. */
export const run = createCommand("initdata", usage, async (args, io) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [name = "", ...files] = positionals;
  const action = actions.get(name);
  if (action === undefined) throw new UsageError(name === "" ? "no action" : `unknown action ${name}`);
  const stray = (Object.keys(values) as (keyof Values)[]).find((option) => !action.accepts.includes(option));
  if (stray !== undefined) throw new UsageError(`${name} takes no --${stray}`);
  await action.run(values, files, io);
  return exitCodes.success;
});

async function encode(values: Values, files: readonly string[], io: CommandIo): Promise<void> {
  const document = files.length > 0 ? await readWholeDocument(values, files, io) : await composeDocument(values, io);
  parseInitdata(document);
  const image = values["block-device"];
  if (image === undefined) io.stdout(`${encodeAnnotation(document)}\n`);
  else writeOutputFile(image, encodeCarrier(document));
}

async function decode(_values: Values, files: readonly string[], io: CommandIo): Promise<void> {
  io.stdout(decodeUtf8(await readDocument(files, io), "initdata"));
}

async function digest({ json }: Values, files: readonly string[], io: CommandIo): Promise<void> {
  const initdata = parseInitdata(await readDocument(files, io));
  const { algorithm } = initdata;
  const values = {
    algorithm,
    digest: hexOf(initdata.digest),
    digest_base64: encodeBase64(initdata.digest),
    snp_host_data: hexOf(launchDataOf(initdata.digest, "snp")),
    tdx_mrconfigid: hexOf(launchDataOf(initdata.digest, "tdx")),
    cca_personalization_value: hexOf(launchDataOf(initdata.digest, "cca")),
    pcr8_sha256: hexOf(pcr8Of(initdata.digest)),
  };
  if (json === true) io.stdout(`${formatJson(values)}\n`);
  else for (const [name, value] of Object.entries(values)) io.stdout(`${name.padEnd(26)} ${value}\n`);
  if (algorithm !== "sha256")
    io.stderr("note: PCR 8 takes the first 32 bytes only; use sha256 where a vTPM binds initdata\n");
}

async function check({ expect, platform }: Values, files: readonly string[], io: CommandIo): Promise<void> {
  const initdata = parseInitdata(await readDocument(files, io));
  if (platform !== undefined && expect === undefined) throw new UsageError("--platform needs --expect");
  if (expect !== undefined)
    requireDigest(initdata.digest, parseOption(expect, "--expect", parseDigest), platformOf(platform));
  await checkInitdata(initdata, io);
}

async function readDocument([file, ...more]: readonly string[], io: CommandIo): Promise<Uint8Array> {
  if (file === undefined || more.length > 0) throw new UsageError("one file is needed");
  return unwrapInitdata(await readInputFile(file, maxFileBytes, io));
}

/** A document that is complete: its parts and its algorithm can't be chosen any more. */
async function readWholeDocument(values: Values, files: readonly string[], io: CommandIo): Promise<Uint8Array> {
  const part = (["algorithm", "aa", "cdh", "podkeep", "policy"] as const).find((name) => values[name] !== undefined);
  if (part !== undefined) throw new UsageError(`--${part} makes a new document; it can't change the one that is named`);
  return readDocument(files, io);
}

async function composeDocument(values: Values, io: CommandIo): Promise<Uint8Array> {
  const { algorithm = "sha256", aa, cdh, podkeep, policy } = values;
  if (!isDigestAlgorithm(algorithm)) throw new UsageError(`--algorithm is none of ${digestAlgorithms.join(", ")}`);
  const entries = new Map<string, string>();
  for (const [name, file] of [
    ["aa.toml", aa],
    ["cdh.toml", cdh],
    ["podkeep.toml", podkeep],
    ["policy.rego", policy],
  ] as const) {
    if (file !== undefined) entries.set(name, decodeUtf8(await readInputFile(file, maxEntryBytes, io), file));
  }
  if (entries.size === 0) throw new UsageError("a file is needed, or one of --aa, --cdh, --podkeep, --policy");
  return new TextEncoder().encode(composeInitdata(algorithm, entries));
}

function writeOutputFile(file: string, bytes: Uint8Array): void {
  try {
    writeFileAtomically(file, bytes, 0o644);
  } catch (cause) {
    throw new GuestError("invalid-argument", `${file}: ${messageOf(cause)}`, { cause });
  }
}

function platformOf(name: string | undefined): LaunchDataPlatform | undefined {
  if (name === undefined) return undefined;
  // Object.hasOwn has just said that the name is one of the table's.
  if (Object.hasOwn(launchDataBytes, name)) return name as LaunchDataPlatform;
  throw new UsageError(`--platform is none of ${Object.keys(launchDataBytes).join(", ")}`);
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
