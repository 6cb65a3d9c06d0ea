/**
 * Secrets from a key broker on loopback: attest and fetch, fetch again, fifty callers at once on one handshake. The broker runs in
 * another process; `own` is the processor time of this one. Prints a line a figure, or with --json one JSON object a line:
 * name, value, unit, runs.
 *
 *     node --experimental-ffi test/bench/kbs/resources.ts [--json] [--runs N]
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { parseArgs } from "node:util";
import { silentLog } from "../../../guest/core/log.ts";
import {
  backgroundCheck,
  createKbsClient,
  createTransport,
  parseBrokerUrl,
  parseResourceUri,
  type ResourceProvider,
  systemTiming,
} from "../../../guest/kbs/index.ts";

const { values } = parseArgs({ options: { json: { type: "boolean" }, runs: { type: "string", default: "50" } } });
const runs = Number(values.runs);
const forever = new AbortController().signal;
const uri = parseResourceUri("kbs:///default/bench/key");
const callers = 50;

const broker = fork(new URL("broker-process.ts", import.meta.url));
// The message that the broker's process sends when it is ready.
const [{ url }] = (await once(broker, "message")) as [{ url: string }];
const transport = createTransport({ url: parseBrokerUrl(url), certificate: undefined });
try {
  await newClient().getResource(uri, forever); // warms up the machine code, and keeps a connection open
  await measure("cold: attest and fetch a secret", runs, () => newClient().getResource(uri, forever));
  const warm = newClient();
  await warm.getResource(uri, forever);
  await measure("warm: fetch a secret", runs * 4, () => warm.getResource(uri, forever));
  await measure(`cold: ${callers} secrets at once on one handshake`, 5, () => {
    const client = newClient();
    return Promise.all(Array.from({ length: callers }, () => client.getResource(uri, forever)));
  });
} finally {
  transport.close();
  broker.disconnect();
}

/** A client without a session. */
function newClient(): ResourceProvider {
  const openSession = backgroundCheck({
    transport,
    evidence: {
      tee: "sample",
      getEvidence: async (data) => JSON.stringify({ svn: "1", report_data: Buffer.from(data).toString("base64") }),
      getAdditionalEvidence: async () => "",
    },
    keyAlgorithm: "ECDH-ES+A256KW-P256",
    initData: undefined,
    timing: systemTiming,
  });
  return createKbsClient({ transport, openSession, timing: systemTiming, log: silentLog, lifetime: forever });
}

async function measure(name: string, count: number, action: () => Promise<unknown>): Promise<void> {
  const wall: number[] = [];
  const before = process.cpuUsage();
  for (let run = 0; run < count; run++) {
    const start = performance.now();
    await action();
    wall.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(before);
  wall.sort((a, b) => a - b);
  report(`kbs: ${name}, p50`, wall[Math.floor(count / 2)] ?? Number.NaN, count);
  report(`kbs: ${name}, own`, (user + system) / 1000 / count, count);
}

function report(name: string, value: number, count: number): void {
  const figure = { name, value: Number(value.toPrecision(3)), unit: "ms", runs: count };
  process.stdout.write(values.json ? `${JSON.stringify(figure)}\n` : `${name}: ${figure.value} ms (${count} runs)\n`);
}
