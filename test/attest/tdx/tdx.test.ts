import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTdxAttester, createTsmQuoteSource } from "../../../guest/attest/tdx/attester.ts";
import { parseTdxQuote } from "../../../guest/attest/tdx/quote.ts";
import { ccRegisterOf, createTdxRegisters } from "../../../guest/attest/tdx/registers.ts";
import { GuestError } from "../../../guest/core/errors.ts";
import { FakeTsm } from "../fake-tsm.ts";
import { bodyOffset, createFakeQuote, type FakeQuote } from "./fake-quote.ts";

const forever = new AbortController().signal;

/** Files of sysfs with registers that really extend. */
function fakeMeasurements(files: Record<string, Buffer>) {
  return {
    files,
    read: async (name: string) => files[name],
    write: async (name: string, digest: Uint8Array) => {
      const current = files[name];
      if (current === undefined) throw new GuestError("internal", "ENOENT");
      files[name] = createHash("sha384").update(current).update(digest).digest();
    },
  };
}

function startGuest(options: FakeQuote = {}, files: Record<string, Buffer> = {}, log?: Uint8Array) {
  const tsm = new FakeTsm("tdx_guest", (reportData) => ({ outblob: createFakeQuote({ ...options, reportData }) }));
  const quotes = createTsmQuoteSource(tsm, async () => {});
  const measurements = fakeMeasurements(files);
  const attester = createTdxAttester({
    quotes,
    measurements,
    device: undefined,
    registers: undefined,
    readEventLog: async () => log,
  });
  return { tsm, attester };
}

describe("evidence", () => {
  test("a quote over the padded data, and no log", async () => {
    const { attester } = startGuest();
    const evidence = JSON.parse(await attester.getEvidence(Buffer.from("nonce"), forever));
    expect(Object.keys(evidence)).toEqual(["cc_eventlog", "quote"]);
    expect(evidence.cc_eventlog).toBeNull();
    const { body } = parseTdxQuote(Buffer.from(evidence.quote, "base64"));
    expect(Buffer.from(body.reportData)).toEqual(Buffer.concat([Buffer.from("nonce"), Buffer.alloc(59)]));
  });

  test("the log goes along in base64", async () => {
    const { attester } = startGuest({}, {}, Buffer.from([1, 2, 3]));
    expect(JSON.parse(await attester.getEvidence(Buffer.alloc(1), forever)).cc_eventlog).toBe("AQID");
  });

  test("a quoting service that is down or slow", async () => {
    const { attester, tsm } = startGuest();
    tsm.failures.push("ETIMEDOUT", "EBUSY");
    await attester.getEvidence(Buffer.alloc(1), forever);
    expect(tsm.attempts).toBe(3);
    const down = new FakeTsm("tdx_guest", () => ({ outblob: Buffer.alloc(0) }));
    const quotes = createTsmQuoteSource(down, async () => {});
    await expect(quotes.getQuote(Buffer.alloc(64), forever)).rejects.toThrow("quoting service is down");
  });

  test("too much data is refused, a quote over other data too", async () => {
    const { attester } = startGuest();
    await expect(attester.getEvidence(Buffer.alloc(65), forever)).rejects.toThrow("no more than 64 bytes");
    const stale = new FakeTsm("tdx_guest", () => ({ outblob: createFakeQuote() }));
    const other = createTdxAttester({
      quotes: createTsmQuoteSource(stale, async () => {}),
      measurements: fakeMeasurements({}),
      device: undefined,
      registers: undefined,
      readEventLog: async () => undefined,
    });
    await expect(other.getEvidence(Buffer.from("x"), forever)).rejects.toThrow("over other data");
  });
});

describe("I5: initdata", () => {
  const digest = Buffer.alloc(32, 0x22);
  const padded = Buffer.concat([digest, Buffer.alloc(16)]);

  test("MRCONFIGID is compared, by sysfs or from a quote", async () => {
    const bySysfs = startGuest({}, { mrconfigid: padded });
    expect(await bySysfs.attester.bindInitData(digest)).toBe("bound");
    expect(bySysfs.tsm.attempts).toBe(0);
    const byQuote = startGuest({ mrConfigId: padded });
    expect(await byQuote.attester.bindInitData(digest)).toBe("bound");
    expect(byQuote.tsm.attempts).toBe(1);
  });

  test("another value refuses to go on", async () => {
    for (const mrConfigId of [padded, Buffer.concat([Buffer.alloc(47), Buffer.of(1)])]) {
      await expect(startGuest({ mrConfigId }).attester.bindInitData(Buffer.alloc(32, 1))).rejects.toMatchObject({
        code: "failed-precondition",
        message: "Init data does not match!",
      });
    }
  });

  test("I16: all zeros is a field that the platform doesn't set", async () => {
    expect(await startGuest().attester.bindInitData(digest)).toBe("unsupported");
    expect(await startGuest({}, { mrconfigid: Buffer.alloc(48) }).attester.bindInitData(digest)).toBe("unsupported");
  });

  test("threat 81: without initdata there is no digest in MRCONFIGID either", async () => {
    await startGuest().attester.expectNoInitData();
    await expect(startGuest({}, { mrconfigid: padded }).attester.expectNoInitData()).rejects.toThrow(
      "the host has given no initdata",
    );
  });
});

describe("registers", () => {
  test("PCRs and the registers that stand for them", () => {
    const registers = Array.from({ length: 24 }, (_, pcr) => ccRegisterOf(pcr));
    expect(registers).toEqual([4, 1, 2, 2, 2, 2, 2, 1, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]);
  });

  test("extending goes to the right file, 48 bytes at a time", async () => {
    const files = { "rtmr2:sha384": Buffer.alloc(48), "rtmr3:sha384": Buffer.alloc(48) };
    const registers = createTdxRegisters(fakeMeasurements(files));
    await registers.extend(17, Buffer.alloc(48, 1));
    expect(await registers.read(17)).toEqual(
      createHash("sha384").update(Buffer.alloc(48)).update(Buffer.alloc(48, 1)).digest(),
    );
    expect(await registers.read(8)).toEqual(Buffer.alloc(48));
    await expect(registers.extend(17, Buffer.alloc(32))).rejects.toThrow("48 bytes");
    await expect(registers.read(1)).rejects.toMatchObject({ code: "unavailable" });
  });
});

describe("quotes", () => {
  test.each<FakeQuote>([
    { version: 4 },
    { version: 5, bodyType: 2 },
    { version: 5, bodyType: 3 },
    { version: 4, padding: 70 },
  ])("%j is read", (options) => {
    const rtmr = [1, 2, 3, 4].map((value) => Buffer.alloc(48, value));
    const quote = createFakeQuote({ ...options, rtmr, reportData: Buffer.alloc(64, 9) });
    const parsed = parseTdxQuote(quote);
    expect(parsed.version).toBe(options.version);
    expect(parsed.body.rtmr.map((value) => Buffer.from(value))).toEqual(rtmr);
    expect(Buffer.from(parsed.body.reportData)).toEqual(Buffer.alloc(64, 9));
    expect(parsed.signatureData).toHaveLength(100);
    expect(parsed.signed.length).toBe(quote.length - 104 - (options.padding ?? 0));
  });

  test("what is no quote of TDX is refused", () => {
    const change = (at: number, ...bytes: number[]) => {
      const quote = createFakeQuote();
      quote.set(bytes, at);
      return () => parseTdxQuote(quote);
    };
    expect(change(0, 3)).toThrow("version 3");
    expect(change(4, 0)).toThrow("not of TDX");
    expect(change(bodyOffset({}) + 584, 0xff, 0xff)).toThrow("cut off");
    expect(() => parseTdxQuote(Buffer.alloc(100))).toThrow("impossible length");
    const trailing = Buffer.concat([createFakeQuote(), Buffer.from([1])]);
    expect(() => parseTdxQuote(trailing)).toThrow("behind its end");
    const body = createFakeQuote({ version: 5 });
    body.writeUInt16LE(1, 48);
    expect(() => parseTdxQuote(body)).toThrow("unknown body");
  });

  test("cut anywhere, it gives an error and nothing else", () => {
    const quote = createFakeQuote({ version: 5, bodyType: 3 });
    fc.assert(
      fc.property(fc.nat(quote.length - 1), (length) => {
        expect(() => parseTdxQuote(quote.subarray(0, length))).toThrow(GuestError);
      }),
    );
  });
});
