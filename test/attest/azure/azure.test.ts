import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createAzureSnpAttester, createAzureTdxAttester } from "../../../guest/attest/azure/attester.ts";
import type { AzureMetadataService } from "../../../guest/attest/azure/metadata-service.ts";
import { verifyAzureEvidence } from "../../../guest/attest/azure/verify.ts";
import { azureTpm, readHclReportType } from "../../../guest/attest/azure/vtpm.ts";
import { openEventLogFiles } from "../../../guest/attest/eventlog/files.ts";
import { EventLogRecorder } from "../../../guest/attest/eventlog/recorder.ts";
import { replaceNv } from "../../../guest/sys/tpm/nv.ts";
import { allPcrs, extendPcr, readPcrs } from "../../../guest/sys/tpm/pcr.ts";
import { hasSoftwareTpm, SoftwareTpm } from "../../sys/tpm/software-tpm.ts";
import { FakeAmd } from "../snp/fake-amd.ts";
import { FakeIntel } from "../tdx/fake-intel.ts";
import { createHclReport, FakeVtpm } from "./fake-azure.ts";

const nonce = Buffer.alloc(48, 0x5e);
const digest = createHash("sha256").update("an initdata document").digest();
const signal = new AbortController().signal;
const noPause = async (): Promise<void> => {};

const amd = new FakeAmd();
const snpTrust = { roots: [amd.root], intermediates: [amd.ask] };
const intel = new FakeIntel();

const metadata: AzureMetadataService = {
  getVcek: async () => amd.vcek.data,
  getTdQuote: async (report) => intel.quote({ reportData: report.subarray(128, 192) }),
};

function startSnp(): Promise<FakeVtpm> {
  return FakeVtpm.start(2, (reportData) => amd.report({ reportData }));
}

function startTdx(): Promise<FakeVtpm> {
  return FakeVtpm.start(4, (reportData) => {
    const report = Buffer.alloc(1024);
    report.set(reportData, 128);
    return report;
  });
}

describe.skipIf(!hasSoftwareTpm)("Azure attesters against swtpm", () => {
  test("I17: evidence of a SEV-SNP VM on Azure is verified down to nonce, PCRs and initdata", async () => {
    await using vtpm = await startSnp();
    vtpm.looksUntilRefresh = 3;
    const attester = createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    expect(await attester.bindInitData(digest)).toBe("bound");
    const evidence = await attester.getEvidence(nonce, signal);
    const [pcr16 = Buffer.of()] = await readPcrs(vtpm.tpm, [16]);
    const claims = verifyAzureEvidence("az-snp-vtpm", evidence, {
      ...snpTrust,
      reportData: nonce,
      initDataDigest: digest,
      measurements: [Buffer.alloc(48, 0xab)],
      pcrs: new Map([[16, [Buffer.alloc(32, 1), pcr16]]]),
      now: new Date(),
    });
    expect(claims.reportData).toBe(nonce.toString("hex"));
    expect(claims.measurement).toBe("ab".repeat(48));
    expect(claims.initData).toBe(createHash("sha256").update(Buffer.alloc(32)).update(digest).digest("hex"));
    expect(claims.registers).toHaveLength(24);
  });

  test("I17: the evidence has the members and encodings that verifiers expect, and no others", async () => {
    await using vtpm = await startSnp();
    const text = await createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause }).getEvidence(nonce, signal);
    const evidence = JSON.parse(text);
    expect(Object.keys(evidence)).toEqual(["version", "tpm_quote", "hcl_report", "vcek"]);
    expect(evidence.version).toBe(2);
    expect(evidence.tpm_quote.signature).toMatch(/^[0-9a-f]{512}$/);
    expect(evidence.tpm_quote.message).toMatch(/^ff544347[0-9a-f]+$/);
    expect(evidence.tpm_quote.pcrs).toHaveLength(24);
    expect(evidence.hcl_report).toMatch(/^SENMQ[\w-]+={0,2}$/);
    expect(evidence.hcl_report.length % 4).toBe(0);
    expect(Buffer.from(evidence.vcek, "base64url")).toEqual(Buffer.from(amd.vcek.data));
  });

  test("evidence of a TDX VM on Azure is verified", async () => {
    await using vtpm = await startTdx();
    const attester = createAzureTdxAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    await attester.bindInitData(digest);
    const evidence = await attester.getEvidence(nonce, signal);
    const expected = { roots: [intel.root], reportData: nonce, initDataDigest: digest };
    expect(verifyAzureEvidence("az-tdx-vtpm", evidence, expected).tee).toBe("az-tdx-vtpm");
    expect(Object.keys(JSON.parse(evidence))).toEqual(["version", "tpm_quote", "hcl_report", "td_quote"]);
    expect(() => verifyAzureEvidence("az-tdx-vtpm", evidence, { ...expected, roots: [new FakeIntel().root] })).toThrow(
      "trusted root",
    );
    expect(() => verifyAzureEvidence("az-snp-vtpm", evidence, expected)).toThrow("vcek is missing");
  });

  test("a TD quote over something else is not passed on", async () => {
    await using vtpm = await startTdx();
    const other = { ...metadata, getTdQuote: async () => intel.quote({ reportData: Buffer.alloc(64, 1) }) };
    const attester = createAzureTdxAttester({ tpm: vtpm.tpm, metadata: other, pause: noPause });
    await expect(attester.getEvidence(nonce, signal)).rejects.toThrow("over another report");
  });

  test("callers at the same time each get evidence over their own nonce", async () => {
    await using vtpm = await startSnp();
    const attester = createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    const nonces = [Buffer.alloc(32, 1), Buffer.alloc(48, 2), Buffer.alloc(48, 3)];
    const all = await Promise.all(nonces.map((reportData) => attester.getEvidence(reportData, signal)));
    all.forEach((evidence, at) => {
      const { reportData } = verifyAzureEvidence("az-snp-vtpm", evidence, snpTrust);
      expect(reportData).toBe(nonces[at]?.toString("hex"));
    });
  });

  test("threat 85: a digest that PCR 8 can't take refuses to go on, as does a foreign value there", async () => {
    await using vtpm = await startSnp();
    const attester = createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    await expect(attester.bindInitData(Buffer.alloc(48))).rejects.toMatchObject({ code: "failed-precondition" });
    expect((await readPcrs(vtpm.tpm, [8]))[0]).toEqual(Buffer.alloc(32));
    await extendPcr(vtpm.tpm, 8, createHash("sha256").update("a boot loader").digest());
    await expect(attester.bindInitData(digest)).rejects.toThrow("PCR 8 holds something else");
  });

  test("threat 81: another initdata than the one that was bound is refused, here and by the verifier", async () => {
    await using vtpm = await startSnp();
    const attester = createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    await attester.bindInitData(digest);
    const other = createHash("sha256").update("another document").digest();
    await expect(attester.bindInitData(other)).rejects.toMatchObject({ code: "failed-precondition" });
    const evidence = await attester.getEvidence(nonce, signal);
    expect(() => verifyAzureEvidence("az-snp-vtpm", evidence, { ...snpTrust, initDataDigest: other })).toThrow("PCR 8");
  });

  test("binding again after a restart extends nothing", async () => {
    await using vtpm = await startSnp();
    for (let start = 0; start < 3; start += 1) {
      const attester = createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
      expect(await attester.bindInitData(digest)).toBe("bound");
    }
    expect((await readPcrs(vtpm.tpm, [8]))[0]).toEqual(
      createHash("sha256").update(Buffer.alloc(32)).update(digest).digest(),
    );
  });

  test("PCRs are registers under their own numbers, on TDX, too", async () => {
    await using vtpm = await startTdx();
    const { registers } = createAzureTdxAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    expect(registers?.hash).toBe("sha256");
    expect(registers?.logIndexOf(16)).toBe(16);
    await registers?.extend(16, digest);
    expect(await registers?.read(16)).toEqual(createHash("sha256").update(Buffer.alloc(32)).update(digest).digest());
    await expect(registers?.extend(16, Buffer.alloc(48))).rejects.toMatchObject({ code: "invalid-argument" });
  });

  test("a workload's events can't spoil the PCRs that its own image and initdata are proven by", async () => {
    await using vtpm = await startSnp();
    const { registers } = createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    if (registers === undefined) throw new Error("there are no registers");
    const folder = mkdtempSync(join(tmpdir(), "podkeep-azure-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const recorder = await EventLogRecorder.open(registers, openEventLogFiles(folder), 23);
    const before = await readPcrs(vtpm.tpm, allPcrs);
    for (const pcr of [0, 8, 15, 24, -1]) {
      const refused = { code: "invalid-argument", message: expect.stringContaining("PCR 16 to 23 only") };
      await expect(registers.extend(pcr, digest)).rejects.toMatchObject(refused);
      await expect(recorder.record({ domain: "d", operation: "o", content: "c", pcr })).rejects.toMatchObject(refused);
    }
    expect(await readPcrs(vtpm.tpm, allPcrs)).toEqual(before);
    // Nothing is left that a restart would take up.
    expect(readdirSync(folder)).toEqual([]);
    await recorder.record({ domain: "d", operation: "o", content: "c", pcr: undefined });
  });

  test("I12: the event of a pulled image is in the log and in the PCR that the quote vouches for", async () => {
    await using vtpm = await startSnp();
    const attester = createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    const folder = mkdtempSync(join(tmpdir(), "podkeep-azure-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    if (attester.registers === undefined) throw new Error("there are no registers");
    const recorder = await EventLogRecorder.open(attester.registers, openEventLogFiles(folder), 17);
    const event = { domain: "github.com/confidential-containers", operation: "PullImage", content: '{"image":"app"}' };
    await recorder.record({ ...event, pcr: 23 });
    const claims = verifyAzureEvidence("az-snp-vtpm", await attester.getEvidence(nonce, signal), snpTrust);
    const log = readFileSync(join(folder, "eventlog"));
    expect(log.readUInt32LE(0)).toBe(23);
    const eventDigest = createHash("sha256")
      .update(log.subarray(14 + 32 + 4))
      .digest();
    expect(log.subarray(14, 14 + 32)).toEqual(eventDigest);
    expect(claims.registers[23]).toBe(createHash("sha256").update(Buffer.alloc(32)).update(eventDigest).digest("hex"));
  });

  test("report data that is empty or too long is refused before anything is written", async () => {
    await using vtpm = await startSnp();
    const attester = createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    await expect(attester.getEvidence(Buffer.of(), signal)).rejects.toThrow("unexpected empty report data");
    await expect(attester.getEvidence(Buffer.alloc(64), signal)).rejects.toThrow("no more than 50 bytes");
  });

  test("a paravisor that never makes a new report ends in an error, and an abort at once", async () => {
    await using vtpm = await startSnp();
    vtpm.looksUntilRefresh = 1_000_000;
    const attester = createAzureSnpAttester({ tpm: vtpm.tpm, metadata, pause: noPause });
    await expect(attester.getEvidence(nonce, signal)).rejects.toThrow("made no report with our user data");
    await expect(attester.getEvidence(nonce, AbortSignal.abort(new Error("stop")))).rejects.toThrow("stop");
    vtpm.looksUntilRefresh = 0;
    const evidence = await attester.getEvidence(nonce, signal);
    expect(verifyAzureEvidence("az-snp-vtpm", evidence, snpTrust).reportData).toBe(nonce.toString("hex"));
  });

  test("a report that names another key than the vTPM's is found out before it is sent", async () => {
    await using software = await SoftwareTpm.start();
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    await software.provisionAttestationKey(azureTpm.attestationKey);
    const makeHardwareReport = (reportData: Uint8Array): Buffer => amd.report({ reportData });
    const report = createHclReport({ reportType: 2, makeHardwareReport, attestationKey: publicKey, userData: nonce });
    await software.provisionNv(azureTpm.hclReportIndex, report);
    const attester = createAzureSnpAttester({ tpm: software.tpm, metadata, pause: noPause });
    await expect(attester.getEvidence(nonce, signal)).rejects.toThrow("not signed by the key");
  });

  test("the platform is detected by the report's type; without a report, or with something else, it isn't Azure", async () => {
    await using snp = await startSnp();
    expect(await readHclReportType(snp.tpm)).toBe(2);
    await using empty = await SoftwareTpm.start();
    expect(await readHclReportType(empty.tpm)).toBeUndefined();
    await replaceNv(empty.tpm, azureTpm.hclReportIndex, Buffer.from("something else"));
    expect(await readHclReportType(empty.tpm)).toBeUndefined();
    await replaceNv(empty.tpm, azureTpm.hclReportIndex, Buffer.from("HCLA and no more"));
    await expect(readHclReportType(empty.tpm)).rejects.toMatchObject({ code: "invalid-argument" });
  });
});
