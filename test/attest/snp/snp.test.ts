import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSnpAttester } from "../../../guest/attest/snp/attester.ts";
import { parseCertificateTable } from "../../../guest/attest/snp/certificate-table.ts";
import { encodeSnpEvidence } from "../../../guest/attest/snp/evidence.ts";
import { parseSnpEvidence } from "../../../guest/attest/snp/parse-evidence.ts";
import { parseSnpReport } from "../../../guest/attest/snp/report.ts";
import { createTsmSnpSource } from "../../../guest/attest/snp/tsm-source.ts";
import { validateSnpReport } from "../../../guest/attest/snp/validate.ts";
import { verifySnpEvidence } from "../../../guest/attest/snp/verify.ts";
import { readTsmProvider } from "../../../guest/attest/tsm/tsm-report.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import { FakeTsm } from "../fake-tsm.ts";
import { FakeAmd, type FakeReport } from "./fake-amd.ts";

const forever = new AbortController().signal;
const amd = new FakeAmd();
const vcekGuid = "63da758d-e664-4564-adc5-f4b93be8accd";
const askGuid = "4ab7b379-bbac-4fe4-a02f-05aef327c782";
const trust = { roots: [amd.root], intermediates: [amd.ask] };

/** A guest whose kernel has configfs-tsm. */
function startGuest(options: FakeReport = {}, table: Uint8Array = FakeAmd.table([[vcekGuid, amd.vcek.data]])) {
  const tsm = new FakeTsm("sev_guest", (reportData) => ({
    outblob: amd.report({ ...options, reportData }),
    auxblob: table,
  }));
  const pauses: number[] = [];
  const pause = async (milliseconds: number) => void pauses.push(milliseconds);
  return { tsm, pauses, attester: createSnpAttester(createTsmSnpSource(tsm, pause)) };
}

describe("evidence", () => {
  test("what a guest makes verifies, end to end, and binds the data padded with zeros", async () => {
    const { attester, tsm } = startGuest();
    const evidence = parseSnpEvidence(await attester.getEvidence(Buffer.from("nonce"), forever));
    const report = verifySnpEvidence(evidence, trust);
    validateSnpReport(report, { reportData: Buffer.from("nonce"), measurements: [Buffer.alloc(48, 0xab)] });
    expect(Buffer.from(report.reportData)).toEqual(Buffer.concat([Buffer.from("nonce"), Buffer.alloc(59)]));
    expect(tsm.entries.size).toBe(0);
  });

  test.each([2, 3, 4, 5] as const)("a report of version %d survives evidence bit by bit", (version) => {
    const report = amd.report({ version, policy: 0xffff_ffff_ffff_ffffn });
    const text = encodeSnpEvidence(report, []);
    expect(text).toContain('"policy":18446744073709551615,');
    expect(text.endsWith('"cert_chain":null}')).toBe(true);
    expect(Buffer.from(parseSnpEvidence(text).report)).toEqual(report);
  });

  test("members and their order are the reference's", () => {
    const text = encodeSnpEvidence(amd.report(), [
      amd.ask,
      { type: { guid: "00000000-0000-0000-0000-000000000001" }, data: Buffer.from([1]) },
      amd.vcek,
    ]);
    const { attestation_report: report, cert_chain: chain } = JSON.parse(text);
    expect(Object.keys(report).join(" ")).toBe(
      "version guest_svn policy family_id image_id vmpl sig_algo current_tcb plat_info key_info report_data measurement host_data " +
        "id_key_digest author_key_digest report_id report_id_ma reported_tcb cpuid_fam_id cpuid_mod_id cpuid_step chip_id " +
        "committed_tcb current committed launch_tcb launch_mit_vector current_mit_vector signature",
    );
    expect(report.reported_tcb).toEqual({ fmc: null, bootloader: 10, tee: 1, snp: 23, microcode: 130 });
    expect(report.current).toEqual({ major: 1, minor: 55, build: 40 });
    expect([report.cpuid_fam_id, report.launch_mit_vector]).toEqual([0x19, null]);
    expect([report.signature.r.length, report.signature.s.length]).toEqual([72, 72]);
    expect(chain.map(({ cert_type }: { cert_type: unknown }) => cert_type)).toEqual([
      "ASK",
      "VCEK",
      { OTHER: "00000000-0000-0000-0000-000000000001" },
    ]);
  });

  test("Turin keeps its versions at other places", () => {
    const report = amd.report({ cpu: [0x1a, 0x02] });
    for (const offset of [0x038, 0x180, 0x1e0, 0x1f0]) report.set([7, 1, 2, 3, 0, 0, 0, 4], offset);
    expect(parseSnpReport(report).reportedTcb).toEqual({ fmc: 7, bootloader: 1, tee: 2, snp: 3, microcode: 4 });
    expect(Buffer.from(parseSnpEvidence(encodeSnpEvidence(report, [])).report)).toEqual(report);
  });

  test("data that doesn't fit is refused, not cut off", async () => {
    const { attester, tsm } = startGuest();
    await expect(attester.getEvidence(Buffer.alloc(65), forever)).rejects.toThrow(
      "SNP Attester: Report data must be no more than 64 bytes",
    );
    expect(tsm.attempts).toBe(0);
  });

  test("a report over other data is noticed here", async () => {
    const tsm = new FakeTsm("sev_guest", () => ({ outblob: amd.report(), auxblob: Buffer.alloc(0) }));
    const attester = createSnpAttester(createTsmSnpSource(tsm, async () => {}));
    await expect(attester.getEvidence(Buffer.from("x"), forever)).rejects.toThrow("over other data");
  });
});

describe("configfs-tsm", () => {
  test("another writer's report is thrown away and asked for again", async () => {
    const { attester, tsm, pauses } = startGuest();
    tsm.otherWriters = 2;
    const { report } = parseSnpEvidence(await attester.getEvidence(Buffer.from("x"), forever));
    expect(Buffer.from(parseSnpReport(report).reportData).toString("latin1")).toMatch(/^x\0+$/);
    expect([tsm.attempts, pauses, tsm.entries.size]).toEqual([3, [200, 400], 0]);
  });

  test.each(["EBUSY", "EINTR", "ETIMEDOUT"])("%s is tried again", async (name) => {
    const { attester, tsm } = startGuest();
    tsm.failures.push(name);
    await attester.getEvidence(Buffer.from("x"), forever);
    expect(tsm.attempts).toBe(2);
  });

  test.each(["EIO", "ENOTTY", "EINVAL"])("%s is not", async (name) => {
    const { attester, tsm } = startGuest();
    tsm.failures.push(name);
    await expect(attester.getEvidence(Buffer.from("x"), forever)).rejects.toMatchObject({ code: "unavailable" });
    expect([tsm.attempts, tsm.entries.size]).toEqual([1, 0]);
  });

  test("a device that stays busy is given up", async () => {
    const { attester, tsm } = startGuest();
    tsm.failures.push(...Array.from({ length: 9 }, () => "EBUSY"));
    await expect(attester.getEvidence(Buffer.from("x"), forever)).rejects.toThrow(/no report from configfs-tsm: EBUSY/);
    expect([tsm.attempts, tsm.entries.size]).toEqual([5, 0]);
  });

  test("an empty report and another provider are errors", async () => {
    const empty = new FakeTsm("sev_guest", () => ({ outblob: Buffer.alloc(0), auxblob: Buffer.alloc(0) }));
    const attester = (tsm: FakeTsm) => createSnpAttester(createTsmSnpSource(tsm, async () => {}));
    await expect(attester(empty).getEvidence(Buffer.alloc(1), forever)).rejects.toThrow("quoting service is down");
    const tdx = new FakeTsm("tdx_guest", () => ({ outblob: amd.report(), auxblob: Buffer.alloc(0) }));
    await expect(attester(tdx).getEvidence(Buffer.alloc(1), forever)).rejects.toThrow("another provider");
  });

  test("the provider is told, and its absence too", async () => {
    const { tsm } = startGuest();
    expect(await readTsmProvider(tsm)).toBe("sev_guest");
    expect(tsm.entries.size).toBe(0);
    tsm.createEntry = () => {
      throw new GuestError("internal", "ENXIO");
    };
    expect(await readTsmProvider(tsm)).toBeUndefined();
  });
});

describe("I5: initdata", () => {
  const digest = Buffer.alloc(48, 0x11);

  test("HOST_DATA that holds the digest, cut off to its length, binds", async () => {
    const { attester } = startGuest({ hostData: digest.subarray(0, 32) });
    expect(await attester.bindInitData(digest)).toBe("bound");
    expect(await attester.bindInitData(digest.subarray(0, 32))).toBe("bound");
  });

  test("anything else refuses to go on", async () => {
    for (const other of [Buffer.alloc(32, 0x12), Buffer.concat([Buffer.alloc(31), Buffer.of(1)])]) {
      await expect(startGuest({ hostData: other }).attester.bindInitData(digest)).rejects.toMatchObject({
        code: "failed-precondition",
        message: "HOSTDATA does not match.",
      });
    }
  });

  test("I16: all zeros is a field that the platform doesn't set, whatever the digest", async () => {
    expect(await startGuest().attester.bindInitData(digest)).toBe("unsupported");
    expect(await startGuest().attester.bindInitData(Buffer.alloc(32))).toBe("unsupported");
  });

  test("threat 81: without initdata there is no digest in HOST_DATA either", async () => {
    await startGuest().attester.expectNoInitData();
    await expect(startGuest({ hostData: digest.subarray(0, 32) }).attester.expectNoInitData()).rejects.toMatchObject({
      code: "failed-precondition",
    });
  });
});

describe("verification", () => {
  const evidence = (report = amd.report(), ...certificates: Parameters<typeof encodeSnpEvidence>[1]) => ({
    report,
    certificates: certificates.length === 0 ? [amd.vcek] : certificates,
  });

  test("a chip's id may be wrapped", () => {
    verifySnpEvidence(evidence(amd.report(), { type: "VCEK", data: amd.endorse({ wrapped: true }) }), trust);
  });

  test.each<[string, () => unknown]>([
    [
      "there is no VCEK or VLEK certificate",
      () => verifySnpEvidence({ report: amd.report(), certificates: [] }, trust),
    ],
    ["there is no ASK certificate", () => verifySnpEvidence(evidence(), { roots: [amd.root] })],
    ["not signed by a trusted ARK", () => verifySnpEvidence(evidence(), { ...trust, roots: [new FakeAmd().root] })],
    ["not signed by a trusted ARK", () => verifySnpEvidence(evidence(), { ...trust, roots: [] })],
    [
      "not signed by the given ASK",
      () => verifySnpEvidence(evidence(), { ...trust, intermediates: [new FakeAmd().ask] }),
    ],
    [
      "the report's signature is wrong",
      () =>
        verifySnpEvidence(
          evidence(amd.report({}, generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey)),
          trust,
        ),
    ],
    [
      "another version of microcode",
      () => verifySnpEvidence(evidence(amd.report(), { type: "VCEK", data: amd.endorse({ microcode: 1 }) }), trust),
    ],
    [
      "another chip",
      () =>
        verifySnpEvidence(
          evidence(amd.report(), { type: "VCEK", data: amd.endorse({ id: Buffer.alloc(64, 1) }) }),
          trust,
        ),
    ],
    [
      "not DER",
      () =>
        verifySnpEvidence(evidence(amd.report(), { type: "VCEK", data: amd.endorse({ id: Buffer.alloc(0) }) }), trust),
    ],
    ["VMPL 0", () => verifySnpEvidence(evidence(amd.report({ vmpl: 1 })), trust)],
    ["not valid at this time", () => verifySnpEvidence(evidence(), { ...trust, now: new Date("2001-01-01") })],
    [
      "VCEK can't be read",
      () => verifySnpEvidence(evidence(amd.report(), { type: "VCEK", data: Buffer.from("x") }), trust),
    ],
  ])("%s", (message, action) => {
    expect(action).toThrow(message);
  });

  test("every bit that is signed matters", () => {
    fc.assert(
      fc.property(fc.nat(0x2a0 - 1), fc.nat(7), (at, bit) => {
        const report = amd.report();
        report[at] = (report[at] ?? 0) ^ (1 << bit);
        expect(() => verifySnpEvidence(evidence(report), trust)).toThrow(GuestError);
      }),
      { numRuns: 60 },
    );
  });

  test.each<[string, FakeReport, Parameters<typeof validateSnpReport>[1]]>([
    ["REPORT_DATA", {}, { reportData: Buffer.from([1]) }],
    ["HOST_DATA", {}, { initDataDigest: Buffer.alloc(32, 1) }],
    ["MEASUREMENT", {}, { measurements: [Buffer.alloc(48)] }],
    ["MEASUREMENT", {}, { measurements: [] }],
    ["POLICY (debugging)", { policy: 0xb_0000n }, {}],
    ["POLICY (migration)", { policy: 0x7_0000n }, {}],
  ])("genuine but not acceptable: %s", (field, options, expected) => {
    const report = verifySnpEvidence(evidence(amd.report(options)), trust);
    expect(() => validateSnpReport(report, expected)).toThrow(`SNP report: ${field} is not as expected`);
  });
});

describe("bad input", () => {
  test.each([0, 1183, 1185, 4096])("a report of %d bytes is refused", (length) => {
    expect(() => parseSnpReport(Buffer.alloc(length))).toThrow(/instead of 1184/);
  });

  test("unknown versions, CPUs and reserved bits are refused", () => {
    const change = (at: number, value: number) => {
      const report = amd.report();
      report[at] = value;
      return () => parseSnpReport(report);
    };
    expect(change(0, 1)).toThrow("version 1");
    expect(change(0, 6)).toThrow("version 6");
    expect(change(0x188, 0x17)).toThrow("unknown CPU");
    expect(change(0x04c, 1)).toThrow("reserved bits");
    expect(change(0x182, 1)).toThrow("TCB version");
    expect(change(0x49f, 1)).toThrow("reserved bits");
  });

  test("certificate tables: good ones", () => {
    const table = FakeAmd.table([
      [vcekGuid, Buffer.from("vcek")],
      [askGuid, Buffer.from("ask")],
      ["00112233-4455-6677-8899-aabbccddeeff", Buffer.from("x")],
    ]);
    expect(parseCertificateTable(table).map(({ type, data }) => [type, Buffer.from(data).toString()])).toEqual([
      ["VCEK", "vcek"],
      ["ASK", "ask"],
      [{ guid: "00112233-4455-6677-8899-aabbccddeeff" }, "x"],
    ]);
    expect(parseCertificateTable(Buffer.alloc(0))).toEqual([]);
    expect(parseCertificateTable(Buffer.alloc(4096))).toEqual([]);
  });

  test("certificate tables: whatever the host sends, nothing is read outside", () => {
    const good = FakeAmd.table([[vcekGuid, Buffer.from("vcek")]]);
    for (const [offset, length] of [
      [0, 4],
      [24, 4],
      [48, 5],
      [48, 0xffff_ffff],
      [0xffff_ffff, 4],
    ] as const) {
      const table = Buffer.from(good);
      table.writeUInt32LE(offset, 16);
      table.writeUInt32LE(length, 20);
      expect(() => parseCertificateTable(table)).toThrow("points outside itself");
    }
    expect(() => parseCertificateTable(good.subarray(0, 24))).toThrow("has no end");
    expect(() => parseCertificateTable(Buffer.alloc(100_000, 1))).toThrow("too long");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseCertificateTable(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(GuestError);
        }
      }),
    );
  });

  test("evidence with a member missing or too large is refused by name", () => {
    const good = JSON.parse(encodeSnpEvidence(amd.report(), []));
    for (const name of ["report_data", "reported_tcb", "current", "signature"]) {
      const { [name]: _, ...rest } = good.attestation_report;
      expect(() => parseSnpEvidence(JSON.stringify({ attestation_report: rest }))).toThrow(name);
    }
    for (const change of [{ vmpl: -1 }, { vmpl: 2 ** 32 }, { chip_id: [256] }, { policy: 1.5 }]) {
      const attestation_report = { ...good.attestation_report, ...change };
      expect(() => parseSnpEvidence(JSON.stringify({ attestation_report }))).toThrow("missing or unusable");
    }
    expect(() => parseSnpEvidence('{"attestation_report":{},"cert_chain":7}')).toThrow("cert_chain");
  });
});
