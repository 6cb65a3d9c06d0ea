import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { arch } from "node:process";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { writePauseBundle } from "../../image/pause.ts";

test.skipIf(arch !== "x64")("the pause program ignores SIGCHLD, waits, and ends by SIGTERM", async () => {
  const directory = mkdtempSync(join(tmpdir(), "pause-"));
  writePauseBundle(directory);
  const child = spawn(join(directory, "rootfs/pause"));
  try {
    await once(child, "spawn");
    const ignored = await signalsIgnoredBy(child.pid ?? 0);
    expect(ignored & (1n << 16n)).not.toBe(0n); // SIGCHLD is signal 17
    expect(child.exitCode).toBe(null);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
  } finally {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  }
});

/** The mask of ignored signals, read again until the program has set it or ten seconds have passed. */
async function signalsIgnoredBy(pid: number): Promise<bigint> {
  for (let attempt = 0; ; attempt++) {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
    if (mask !== 0n || attempt === 1000) return mask;
    await setTimeout(10);
  }
}
