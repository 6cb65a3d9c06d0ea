import { describe, expect, test } from "vitest";
import { createSnpAttester } from "../../../guest/attest/snp/attester.ts";
import {
  createDeviceSnpSource,
  type ExtendedReportReply,
  type SevGuestDevice,
} from "../../../guest/attest/snp/guest-device.ts";
import { parseSnpEvidence } from "../../../guest/attest/snp/parse-evidence.ts";
import { verifySnpEvidence } from "../../../guest/attest/snp/verify.ts";
import { FakeAmd } from "./fake-amd.ts";

const forever = new AbortController().signal;
const amd = new FakeAmd();
const vcekTable = FakeAmd.table([["63da758d-e664-4564-adc5-f4b93be8accd", amd.vcek.data]]);

/** /dev/sev-guest of a host with this table. Failures come first. */
class FakeDevice implements SevGuestDevice {
  readonly lengths: number[] = [];
  readonly failures: Pick<ExtendedReportReply, "errno" | "exitInfo">[] = [];
  readonly #table: Uint8Array;

  constructor(table: Uint8Array) {
    this.#table = table;
  }

  getExtendedReport(request: Uint8Array, certificates: Uint8Array): ExtendedReportReply {
    expect(request).toHaveLength(96);
    this.lengths.push(certificates.length);
    const certificatesLength = Math.ceil(this.#table.length / 4096) * 4096;
    const failure = this.failures.shift();
    if (failure !== undefined) return { ...failure, response: Buffer.alloc(4000), certificatesLength };
    if (certificates.length < certificatesLength) {
      return { errno: "EIO", exitInfo: 1n << 32n, response: Buffer.alloc(4000), certificatesLength };
    }
    certificates.set(this.#table);
    return { errno: undefined, exitInfo: 0n, response: responseOf(request), certificatesLength };
  }
}

function responseOf(request: Uint8Array, status = 0, size = 1184): Buffer {
  const response = Buffer.alloc(4000);
  response.writeUInt32LE(status, 0);
  response.writeUInt32LE(size, 4);
  response.set(amd.report({ reportData: request.subarray(0, 64) }), 32);
  return response;
}

function start(device: SevGuestDevice) {
  const pauses: number[] = [];
  const source = createDeviceSnpSource(device, async (milliseconds) => void pauses.push(milliseconds));
  return { attester: createSnpAttester(source), pauses };
}

describe("/dev/sev-guest", () => {
  test("asks for the size, then for report and table; the evidence is the same as by configfs-tsm", async () => {
    const device = new FakeDevice(vcekTable);
    const { attester } = start(device);
    const evidence = parseSnpEvidence(await attester.getEvidence(Buffer.from("nonce"), forever));
    verifySnpEvidence(evidence, { roots: [amd.root], intermediates: [amd.ask] });
    expect(device.lengths).toEqual([0, 4096]);
  });

  test("a host without certificates", async () => {
    const device = new FakeDevice(Buffer.alloc(0));
    const evidence = parseSnpEvidence(await start(device).attester.getEvidence(Buffer.from("x"), forever));
    expect([evidence.certificates, device.lengths]).toEqual([[], [0]]);
  });

  test("a busy host is waited for, two seconds at a time, not for ever", async () => {
    const busy = { errno: "EIO", exitInfo: 2n << 32n };
    const device = new FakeDevice(vcekTable);
    device.failures.push(busy, busy);
    const { attester, pauses } = start(device);
    await attester.getEvidence(Buffer.from("x"), forever);
    expect(pauses).toEqual([2000, 2000]);
    device.failures.push(...Array.from({ length: 99 }, () => busy));
    await expect(attester.getEvidence(Buffer.from("x"), forever)).rejects.toMatchObject({ code: "unavailable" });
    expect(pauses).toHaveLength(32);
  });

  test("a driver that has lost its key says what to do", async () => {
    const device = new FakeDevice(vcekTable);
    device.failures.push({ errno: "ENOTTY", exitInfo: 0n });
    await expect(start(device).attester.getEvidence(Buffer.from("x"), forever)).rejects.toThrow("must be restarted");
  });

  test("a host that keeps asking for more room is not followed", async () => {
    const tooShort = { errno: "EIO", exitInfo: 1n << 32n };
    const device = new FakeDevice(vcekTable);
    device.failures.push(tooShort, tooShort);
    await expect(start(device).attester.getEvidence(Buffer.from("x"), forever)).rejects.toThrow("EIO");
    const giant: SevGuestDevice = {
      getExtendedReport: () => ({ ...tooShort, response: Buffer.alloc(4000), certificatesLength: 0xffff_ffff }),
    };
    await expect(start(giant).attester.getEvidence(Buffer.from("x"), forever)).rejects.toThrow("impossible");
  });

  test.each<[string, (request: Uint8Array) => Buffer]>([
    ["refused", (request) => responseOf(request, 0x16)],
    ["another size", (request) => responseOf(request, 0, 1185)],
    ["too few bytes", () => Buffer.alloc(100)],
  ])("firmware: %s", async (message, respond) => {
    const device: SevGuestDevice = {
      getExtendedReport: (request) => ({
        errno: undefined,
        exitInfo: 0n,
        response: respond(request),
        certificatesLength: 0,
      }),
    };
    await expect(start(device).attester.getEvidence(Buffer.from("x"), forever)).rejects.toThrow(message);
  });
});
