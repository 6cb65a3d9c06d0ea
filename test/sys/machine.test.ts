import { spawn } from "node:child_process";
import { describe, expect, test } from "vitest";
import { setSystemTime } from "../../guest/sys/clock.ts";
import { formatIpAddress, parseIpAddress, samePrefix, unmapIpAddress } from "../../guest/sys/ip-address.ts";
import { addEntropy, reseedRandomGenerator } from "../../guest/sys/random.ts";
import { sendSignal, signalDisposition } from "../../guest/sys/signal.ts";
import { isErrno } from "../../guest/sys/system-error.ts";
import { eventually, failureOf } from "./support.ts";

describe("signals", () => {
  test("reach the process they are for", async () => {
    const child = spawn("/bin/sh", ["-c", "trap 'exit 3' TERM; while :; do sleep 0.01; done"]);
    const pid = child.pid ?? 0;
    await eventually(() => signalDisposition(pid).caught.has(15));
    sendSignal(pid, 0);
    sendSignal(pid, 15);
    await eventually(() => child.exitCode === 3);
    expect(
      isErrno(
        failureOf(() => sendSignal(pid, 15)),
        "ESRCH",
      ),
    ).toBe(true);
    expect(
      isErrno(
        failureOf(() => sendSignal(process.pid, 1000)),
        "EINVAL",
      ),
    ).toBe(true);
  });

  test("groups and everybody are nobody's target", () => {
    for (const pid of [0, -1, -process.pid, 1.5, Number.NaN, 2 ** 40])
      expect(() => sendSignal(pid, 0)).toThrow(RangeError);
  });

  test("what a process ignores and blocks is read off the kernel", async () => {
    const child = spawn("/bin/sh", ["-c", "trap '' HUP; while :; do sleep 0.01; done"]);
    await eventually(() => signalDisposition(child.pid ?? 0).ignored.has(1));
    expect(signalDisposition(child.pid ?? 0).caught.has(1)).toBe(false);
    child.kill("SIGKILL");
    expect(
      isErrno(
        failureOf(() => signalDisposition(4_194_303)),
        "ENOENT",
      ),
    ).toBe(true);
  });
});

describe("clock and random pool", () => {
  test("impossible times are refused before the kernel sees them", () => {
    for (const [seconds, microseconds] of [
      [-1n, 0n],
      [0n, -1n],
      [0n, 1_000_000n],
      [1n << 62n, 0n],
    ] as const)
      expect(failureOf(() => setSystemTime(seconds, microseconds)).message).toBe("time is out of range");
  });

  test("bytes are mixed into the pool without raising its estimate, and a reseed is accepted or honestly refused", () => {
    addEntropy(Buffer.alloc(512, 1));
    try {
      reseedRandomGenerator();
    } catch (error) {
      expect(isErrno(error, "EPERM", "ENODATA")).toBe(true);
    }
  });
});

describe("threat 66: addresses are numbers", () => {
  const bytesOf = (text: string): string | undefined => parseIpAddress(text)?.bytes.toString("hex");

  test("every spelling of one address is the same number", () => {
    const one = "00000000000000000000000000000001";
    for (const text of ["::1", "0:0::1", "0:0:0:0:0:0:0:1", "0000::0001", "::0.0.0.1", "0::0:1"])
      expect([text, bytesOf(text)]).toEqual([text, one]);
    expect(bytesOf("::ffff:127.0.0.1")).toBe("00000000000000000000ffff7f000001");
    expect(bytesOf("::FFFF:7f00:1")).toBe("00000000000000000000ffff7f000001");
    expect(bytesOf("2001:db8::")).toBe("20010db8000000000000000000000000");
    expect(bytesOf("1:2:3:4:5:6:7::")).toBe("00010002000300040005000600070000");
    expect(bytesOf("127.0.0.1")).toBe("7f000001");
  });

  test("what isn't an address is none", () => {
    for (const text of [
      "",
      "1",
      "127.1",
      "0x7f.0.0.1",
      "127.0.0.01",
      "1.2.3.4.5",
      ":::1",
      "::1%lo",
      "1::2::3",
      "localhost",
      " ::1",
    ])
      expect([text, parseIpAddress(text)]).toEqual([text, undefined]);
  });

  test("an embedded IPv4 address is found, loopback of IPv6 is not one", () => {
    const unmapped = (text: string): string => {
      const address = parseIpAddress(text);
      return address === undefined ? "" : formatIpAddress(unmapIpAddress(address));
    };
    expect(unmapped("::ffff:169.254.169.254")).toBe("169.254.169.254");
    expect(unmapped("::10.0.0.1")).toBe("10.0.0.1");
    expect(unmapped("::1")).toBe("::1");
    expect(unmapped("::")).toBe("::");
    expect(unmapped("2001:0db8:0:0:0::1")).toBe("2001:db8::1");
  });

  test("prefixes are compared bit by bit", () => {
    const address = (text: string): NonNullable<ReturnType<typeof parseIpAddress>> =>
      parseIpAddress(text) ?? { family: 4, bytes: Buffer.alloc(4) };
    expect(samePrefix(address("10.128.2.15"), address("10.128.3.1"), 23)).toBe(true);
    expect(samePrefix(address("10.128.2.15"), address("10.128.4.1"), 23)).toBe(false);
    expect(samePrefix(address("10.0.0.1"), address("::"), 0)).toBe(false);
    expect(samePrefix(address("10.0.0.1"), address("192.168.0.1"), 0)).toBe(true);
    expect(samePrefix(address("fe80::1"), address("fe80::2"), 127)).toBe(false);
  });
});
