import { X509Certificate } from "node:crypto";
import { parseArgs } from "node:util";
import { verifyAzureEvidence } from "../attest/azure/verify.ts";
import { type ComparedClaims, compareWithReferences } from "../attest/reference-values/compare.ts";
import { parseReferenceValues } from "../attest/reference-values/format.ts";
import { parseMinimumTcb } from "../attest/snp/minimum-tcb.ts";
import { type EvidenceExpectation, verifyEvidence } from "../attest/verify-evidence.ts";
import { type CommandIo, exitCodes } from "../core/command.ts";
import { GuestError } from "../core/errors.ts";
import { formatJson, isJsonObject, parseJson } from "../core/json.ts";
import { unwrapInitdata } from "../initdata/encodings.ts";
import { parseInitdata } from "../initdata/initdata.ts";
import { readInputFile } from "./input-file.ts";
import { createCommand, parseHexOption, parseOption, UsageError } from "./usage.ts";

const usage = `usage: podkeep verify EVIDENCE --root FILE [OPTION…]

Verifies evidence as podkeep evidence prints it (is it genuine?), holds it against what is expected (is it acceptable?) and prints
what may be believed as JSON. EVIDENCE is a file, - is standard input.

  --root FILE        certificates in PEM that are trusted, such as the cert_chain that AMD's key server has for a CPU generation, or
                     the Intel SGX Root CA. Those that sign themselves are the roots; may be repeated
  --reference FILE   reference values as podkeep measure --json prints them: all that are for this TEE must fit
  --initdata FILE    the VM must run this initdata document
  --report-data HEX  the evidence must bind this
  --tee NAME         snp, tdx, az-snp-vtpm or az-tdx-vtpm; when absent, as the evidence looks
  --minimum-tcb LIST SNP: the oldest firmware and microcode to accept, such as bootloader=4,tee=0,snp=24,microcode=219
  --allow-debug      accept a VM whose memory the host can read

Revocation lists are not looked at, nor is Intel's collateral, which says whether a TDX platform is up to date.

Exit code 0: verified; 1: not, with the reason on standard error; 2: wrong command line.
`;

const options = {
  root: { type: "string", multiple: true },
  reference: { type: "string" },
  initdata: { type: "string" },
  "report-data": { type: "string" },
  tee: { type: "string" },
  "minimum-tcb": { type: "string" },
  "allow-debug": { type: "boolean", default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

const maxFileBytes = 32 * 1024 * 1024;
const certificatePem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** `podkeep verify`. */
export const run = createCommand("verify", usage, async (args, io) => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new UsageError("one file of evidence is needed");
  if (values.root === undefined)
    throw new UsageError("--root is needed: without trusted certificates nothing is proven");
  const evidence = await readInputFile(file, maxFileBytes, io);
  const claims = verify(values.tee ?? guessTee(evidence), evidence, await readExpectation(values, io));
  const compared = await compare(claims, values.reference, io);
  io.stdout(`${formatJson({ ...claims, compared }, 2)}\n`);
  return exitCodes.success;
});

function verify(tee: string, evidence: Uint8Array, expected: EvidenceExpectation): ComparedClaims {
  if (tee === "az-snp-vtpm" || tee === "az-tdx-vtpm") return verifyAzureEvidence(tee, evidence, expected);
  return verifyEvidence(tee, evidence, expected);
}

async function compare(
  claims: ComparedClaims,
  reference: string | undefined,
  io: CommandIo,
): Promise<readonly string[]> {
  if (reference === undefined) return [];
  return compareWithReferences(
    claims,
    parseReferenceValues(await readInputFile(reference, maxFileBytes, io), new Date()),
  );
}

async function readExpectation(values: Values, io: CommandIo): Promise<EvidenceExpectation> {
  const certificates = (await Promise.all((values.root ?? []).map((file) => readCertificates(file, io)))).flat();
  const [roots, others] = [true, false].map((wanted) => certificates.filter((one) => isSelfSigned(one) === wanted));
  const reportData = values["report-data"];
  const initdata = values.initdata;
  const minimum = values["minimum-tcb"];
  return {
    roots: (roots ?? []).map(({ raw }) => raw),
    intermediates: (others ?? []).map(({ raw }) => ({ type: "ASK", data: raw })),
    ...(reportData === undefined ? {} : { reportData: parseHexOption(reportData, "--report-data") }),
    ...(initdata === undefined
      ? {}
      : { initDataDigest: parseInitdata(unwrapInitdata(await readInputFile(initdata, maxFileBytes, io))).digest }),
    ...(minimum === undefined ? {} : { minimumTcb: parseOption(minimum, "--minimum-tcb", parseMinimumTcb) }),
    allowDebug: values["allow-debug"],
    now: new Date(),
  };
}

async function readCertificates(file: string, io: CommandIo): Promise<readonly X509Certificate[]> {
  const blocks = Buffer.from(await readInputFile(file, maxFileBytes, io))
    .toString("latin1")
    .match(certificatePem);
  if (blocks === null) throw new GuestError("invalid-argument", `${file}: there is no certificate in PEM`);
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new GuestError("invalid-argument", `${file}: a certificate can't be read`, { cause });
    }
  });
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.verify(certificate.publicKey);
}

/** Each TEE's evidence has a member that no other has. */
function guessTee(evidence: Uint8Array): string {
  const object = parseJson(evidence);
  const has = (member: string): boolean => isJsonObject(object) && member in object;
  if (has("hcl_report")) return has("td_quote") ? "az-tdx-vtpm" : "az-snp-vtpm";
  if (has("attestation_report")) return "snp";
  if (has("quote")) return "tdx";
  if (has("svn")) return "sample";
  throw new GuestError("invalid-argument", "evidence of no TEE that is known");
}
