import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MeasurementRegisters } from "../../guest/attest/attester.ts";
import { parseEventLog, replayEventLog } from "../../guest/attest/eventlog/ccel.ts";
import { digestEvent, encodeEntry, encodeEventData, extendValue } from "../../guest/attest/eventlog/entry.ts";
import { assembleEvidenceLog } from "../../guest/attest/eventlog/evidence-log.ts";
import { type EventLogFiles, EventLogRecorder } from "../../guest/attest/eventlog/recorder.ts";
import { ccRegisterOf } from "../../guest/attest/tdx/registers.ts";
import { GuestError } from "../../guest/core/errors.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const event = { domain: "domain", operation: "operation", content: "content" };

describe("entries: the vectors of the specification", () => {
  const data = encodeEventData(event);

  test.each([
    ["sha256", "46df8dacf00a07d34a83cdf56d7978697790787cf2ba1432ef7c38f22cd96351"],
    ["sha384", "dad5f0e226318ffa9839b75a472c6aa7fdb5834949d0a0a22990cf04d5692440fb00f3aa0609db7e49cd8d793f670d02"],
    [
      "sha512",
      "b708d222ca8bd44dfe6ba0c4ca2cbb72379276fba8091025217064be45a813e5d6124ccf073219edb617d1faf007d55061465bdf34b7437dbdc9a7405bd4e9c0",
    ],
  ] as const)("%s", (hash, digest) => {
    expect(hex(digestEvent(data, hash))).toBe(digest);
  });

  test("a whole entry, and the register after it", () => {
    expect(hex(encodeEntry(4, data, "sha384"))).toBe(
      "0400000006000000010000000c00dad5f0e226318ffa9839b75a472c6aa7fdb5834949d0a0a22990cf04d5692440fb00f3aa0609db7e49cd8d793f670d02200000004c45414118000000646f6d61696e206f7065726174696f6e20636f6e74656e74",
    );
    expect(hex(extendValue(Buffer.alloc(48), digestEvent(data, "sha384"), "sha384"))).toBe(
      "82d3f7a4203f58dafe0519eb5e9f645339cda127418c62d4b0270d790ab6ff3c38783523613a7a9f610e7ba004788c26",
    );
  });

  test("a text that could be two events is refused", () => {
    expect(() => encodeEventData({ ...event, content: "a\nb" })).toThrow("content contains newline");
    expect(() => encodeEventData({ ...event, domain: "a b" })).toThrow("words without blanks");
    expect(() => encodeEventData({ ...event, operation: "" })).toThrow("words without blanks");
    expect(() => encodeEventData({ ...event, content: "x".repeat(2_000_000) })).toThrow("too long");
    encodeEventData({ ...event, content: "with blanks and ü" });
  });
});

/** Registers as TDX has them, in memory. */
class FakeRegisters implements MeasurementRegisters {
  readonly hash = "sha384";
  readonly values = new Map<number, Buffer>();
  /** At the next extend the machine stops until {@link restart}; `after` says whether the register moved before. */
  crash: { readonly after: boolean } | undefined;
  /** The next extend is refused; the machine goes on. */
  refusal: string | undefined;
  #stopped = false;
  readonly logIndexOf = ccRegisterOf;

  restart(): void {
    this.#stopped = false;
  }

  read = async (pcr: number): Promise<Buffer> => {
    if (this.#stopped) throw new Error("power lost");
    return this.values.get(ccRegisterOf(pcr)) ?? Buffer.alloc(48);
  };

  extend = async (pcr: number, digest: Uint8Array): Promise<void> => {
    const { crash, refusal } = this;
    this.crash = undefined;
    this.refusal = undefined;
    if (refusal !== undefined) throw new GuestError("internal", refusal);
    const extended = createHash("sha384")
      .update(await this.read(pcr))
      .update(digest)
      .digest();
    if (crash?.after !== false) this.values.set(ccRegisterOf(pcr), extended);
    if (crash === undefined) return;
    this.#stopped = true;
    throw new Error("power lost");
  };
}

/** Files in memory. */
class FakeFiles implements EventLogFiles {
  log = Buffer.alloc(0);
  pending: Buffer | undefined;
  logSize = (): number => this.log.length;
  writeLog = (offset: number, entry: Uint8Array): void => {
    this.log = Buffer.concat([this.log.subarray(0, offset), entry]);
  };
  readPending = (): Buffer | undefined => this.pending;
  writePending = (record: Uint8Array): void => {
    this.pending = Buffer.from(record);
  };
  removePending = (): void => {
    this.pending = undefined;
  };
}

/** Whether the log, played into zeros, gives the registers. */
function expectProven(files: FakeFiles, registers: FakeRegisters): void {
  const log = assembleEvidenceLog(undefined, files.log);
  const replayed = replayEventLog(parseEventLog(log ?? Buffer.alloc(0)), "sha384");
  expect(Object.fromEntries([...replayed].map(([index, value]) => [index, hex(value)]))).toEqual(
    Object.fromEntries([...registers.values].map(([index, value]) => [index, hex(value)])),
  );
}

describe("recorder", () => {
  const start = async () => {
    const [registers, files] = [new FakeRegisters(), new FakeFiles()];
    return { registers, files, recorder: await EventLogRecorder.open(registers, files, 17) };
  };

  test("events given at once stand in order, and replay proves the log", async () => {
    const { registers, files, recorder } = await start();
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        recorder.record({ ...event, content: `event ${index}`, pcr: undefined }),
      ),
    );
    const { entries } = parseEventLog(assembleEvidenceLog(undefined, files.log) ?? Buffer.alloc(0));
    expect(entries.map(({ event: data }) => Buffer.from(data).subarray(8).toString())).toEqual(
      Array.from({ length: 20 }, (_, index) => `domain operation event ${index}`),
    );
    expectProven(files, registers);
    expect(files.pending).toBeUndefined();
  });

  test("an event for another register stands under that register (the reference gets it wrong)", async () => {
    const { registers, files, recorder } = await start();
    await recorder.record({ ...event, pcr: 1 });
    await recorder.record({ ...event, pcr: 8 });
    await recorder.record({ ...event, pcr: undefined });
    expect([...registers.values.keys()]).toEqual([1, 3, 4]);
    expectProven(files, registers);
  });

  test.each([true, false])(
    "a crash while extending (register moved: %s) is repaired at the next start",
    async (after) => {
      const { registers, files, recorder } = await start();
      await recorder.record({ ...event, pcr: 1 });
      registers.crash = { after };
      await expect(recorder.record({ ...event, content: "second", pcr: 1 })).rejects.toThrow("power lost");
      expect(files.pending).toBeDefined();
      registers.restart();
      const again = await EventLogRecorder.open(registers, files, 17);
      expectProven(files, registers);
      await again.record({ ...event, content: "third", pcr: undefined });
      expectProven(files, registers);
      expect(files.pending).toBeUndefined();
    },
  );

  test("an extension that the device refuses leaves nothing for the next start to stumble on", async () => {
    const { registers, files, recorder } = await start();
    await recorder.record({ ...event, pcr: undefined });
    registers.refusal = "TPM_RC_LOCALITY";
    await expect(recorder.record({ ...event, content: "refused", pcr: 18 })).rejects.toThrow("LOCALITY");
    expect(files.pending).toBeUndefined();
    const again = await EventLogRecorder.open(registers, files, 17);
    await again.record({ ...event, content: "next", pcr: undefined });
    expectProven(files, registers);
  });

  test("an entry that could not be written comes before the next event, without a restart", async () => {
    const { registers, files, recorder } = await start();
    const write = files.writeLog;
    files.writeLog = () => {
      throw new Error("ENOSPC");
    };
    await expect(recorder.record({ ...event, content: "first", pcr: undefined })).rejects.toThrow("ENOSPC");
    files.writeLog = write;
    await recorder.record({ ...event, content: "second", pcr: undefined });
    expectProven(files, registers);
  });

  test("a crash while the entry is written leaves no half entry", async () => {
    const { registers, files, recorder } = await start();
    const write = files.writeLog;
    files.writeLog = (offset, entry) => {
      write(offset, entry.subarray(0, 20));
      throw new Error("power lost");
    };
    await expect(recorder.record({ ...event, pcr: 1 })).rejects.toThrow("power lost");
    files.writeLog = write;
    await EventLogRecorder.open(registers, files, 17);
    expectProven(files, registers);
  });

  test("a register that somebody else has extended refuses to start", async () => {
    const { registers, files, recorder } = await start();
    registers.crash = { after: false };
    await expect(recorder.record({ ...event, pcr: 1 })).rejects.toThrow();
    registers.restart();
    await registers.extend(1, Buffer.alloc(48, 1));
    await expect(EventLogRecorder.open(registers, files, 17)).rejects.toMatchObject({ code: "data-loss" });
    files.pending = files.pending?.subarray(0, 10);
    await expect(EventLogRecorder.open(registers, files, 17)).rejects.toThrow("cut off");
  });

  test("a log that evidence could no longer carry is full: nobody can spoil attestation by filling it", async () => {
    const { files, registers, recorder } = await start();
    const large = { ...event, content: "x".repeat(300_000), pcr: undefined };
    for (let count = 0; count < 3; count++) await recorder.record(large);
    await expect(recorder.record(large)).rejects.toMatchObject({ code: "resource-exhausted" });
    expect(files.pending).toBeUndefined();
    await recorder.record({ ...event, pcr: undefined });
    expectProven(files, registers);
  });

  test("an event that is refused stops no other", async () => {
    const { files, registers, recorder } = await start();
    const refused = recorder.record({ ...event, content: "a\nb", pcr: undefined });
    const accepted = recorder.record({ ...event, pcr: undefined });
    await expect(refused).rejects.toThrow("newline");
    await accepted;
    expectProven(files, registers);
  });
});

describe("logs for evidence", () => {
  const entry = encodeEntry(3, encodeEventData(event), "sha384");
  const firmware = Buffer.concat([
    Buffer.from("0000000003000000", "hex"),
    Buffer.alloc(20),
    Buffer.from("04000000aabbccdd", "hex"),
    entry,
  ]);

  test("nothing gives nothing; the agent's alone gets the fixed header of 69 bytes", () => {
    expect(assembleEvidenceLog(undefined, undefined)).toBeUndefined();
    const log = Buffer.from(assembleEvidenceLog(undefined, entry) ?? []);
    expect(log.length).toBe(69 + entry.length + 8);
    expect(hex(log.subarray(0, 8))).toBe("0000000003000000");
    expect(hex(log.subarray(28, 32))).toBe("25000000");
    expect(hex(log.subarray(-8))).toBe("f".repeat(16));
  });

  test.each([0xff, 0x00])("padding of 0x%s is cut off before the agent's entries", (padding) => {
    const padded = Buffer.concat([firmware, Buffer.alloc(64, padding)]);
    expect(assembleEvidenceLog(padded, entry)).toEqual(Buffer.concat([firmware, entry, Buffer.alloc(8, 0xff)]));
  });

  test("a log that is cut in the middle is refused, wherever", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: firmware.length - 1 }), (length) => {
        fc.pre(length !== firmware.length - entry.length); // cut between entries it is a shorter log
        expect(() => parseEventLog(firmware.subarray(0, length))).toThrow(GuestError);
      }),
    );
  });

  test("unknown algorithms, giant counts and missing digests are refused", () => {
    const header = firmware.subarray(0, firmware.length - entry.length);
    const change = (at: number, value: number): Buffer => {
      const changed = Buffer.from(entry);
      changed.writeUInt16LE(value, at);
      return Buffer.concat([header, changed]);
    };
    expect(() => parseEventLog(change(12, 0x0004))).toThrow("unsupported digest algorithm");
    expect(() => parseEventLog(change(8, 0xffff))).toThrow("too many digests");
    expect(() => parseEventLog(Buffer.alloc(64))).toThrow("no header");
    const bySha256 = Buffer.concat([header, encodeEntry(1, encodeEventData(event), "sha256")]);
    expect(() => replayEventLog(parseEventLog(bySha256), "sha384")).toThrow("no sha384 digest");
  });
});
