/**
 * How fast processes of a container are: exec of `true` from ExecProcess to WaitProcess, and the output of one that writes 256 MB,
 * read in pieces as shims ask for (32 KiB) and as large as they come (1 MiB). Through the method registry, without a socket.
 */
import process from "node:process";
import { GuestFixture, whyNoContainers } from "../../agent/guest-fixture.ts";
import { processRequest, sandboxId } from "../../agent/requests.ts";
import { run } from "../../agent/running.ts";

const execRuns = 100;
const outputBytes = 256_000_000;

if (whyNoContainers !== undefined) throw new Error(`cannot run containers: ${whyNoContainers}`);
const guest = new GuestFixture({ settings: { pipeSizeBytes: 1024 * 1024 } });
await guest.call("CreateSandbox", { sandbox_id: sandboxId });
await run(guest, "box", ["sleep", "1000"]);
try {
  const times: number[] = [];
  for (let index = 0; index < execRuns; index++) times.push(await execTrue(`e${index}`));
  times.sort((a, b) => a - b);
  report("exec of true, ExecProcess to WaitProcess, p50", times[execRuns / 2] ?? 0, "ms", execRuns);
  report("exec of true, ExecProcess to WaitProcess, p99", times[Math.ceil(execRuns * 0.99) - 1] ?? 0, "ms", execRuns);
  for (const length of [32 * 1024, 1024 * 1024]) {
    const rates: number[] = [];
    for (let index = 0; index < 3; index++) rates.push(await readOutput(`r${length}-${index}`, length));
    report(`ReadStdout of 256 MB, ${length / 1024} KiB a request`, rates.sort((a, b) => a - b)[1] ?? 0, "MB/s", 3);
  }
} finally {
  await guest.call("DestroySandbox", {});
  await guest.close();
}

/** @returns milliseconds */
async function execTrue(execId: string): Promise<number> {
  const start = performance.now();
  const id = { container_id: "box", exec_id: execId };
  await guest.call("ExecProcess", { ...id, process: processRequest(["true"]) });
  await guest.call("WaitProcess", id);
  return performance.now() - start;
}

/** @returns megabytes a second, from the first read to the end of the output */
async function readOutput(execId: string, length: number): Promise<number> {
  const id = { container_id: "box", exec_id: execId };
  const command = ["dd", "if=/dev/zero", "bs=1000000", `count=${outputBytes / 1_000_000}`];
  await guest.call("ExecProcess", { ...id, process: processRequest(command) });
  const start = performance.now();
  let total = 0;
  for (;;) {
    const { data } = await guest.call("ReadStdout", { ...id, len: length });
    if (data.byteLength === 0) break;
    total += data.byteLength;
  }
  const seconds = (performance.now() - start) / 1000;
  await guest.call("WaitProcess", id);
  if (total !== outputBytes) throw new Error(`${total} bytes instead of ${outputBytes}`);
  return total / 1_000_000 / seconds;
}

function report(name: string, value: number, unit: string, runs: number): void {
  process.stdout.write(`${JSON.stringify({ name, value: Number(value.toPrecision(3)), unit, runs })}\n`);
}
