import { describeFailure } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { MetadataAccess } from "../../initdata/user-data/source.ts";
import { HttpClient } from "../../sys/http-client.ts";
import type { Machine } from "./machine.ts";

/** The network is up by now: user data came by it. */
const attempts = 4;
const delayMs = 2000;

/** The fabric is on the VM's own node: one that takes longer, or drops what it is sent, is not worth a pod's waiting. */
const defaultPatienceMs = 15_000;

/**
 * Tells the cloud that the VM is ready, once it has proven to be: Azure wants to know. A cloud that doesn't listen is no reason to
 * hold back the pod; the log has it.
 *
 * @param patienceMs for all attempts together
 * @throws the signal's reason
 */
export async function reportReadiness(
  machine: Pick<Machine, "reportReadiness" | "clock">,
  log: Log,
  signal: AbortSignal,
  patienceMs: number = defaultPatienceMs,
): Promise<void> {
  const http = new HttpClient();
  const limited = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const access: MetadataAccess = { http, log, signal: limited };
  try {
    for (let attempt = 1; attempt <= attempts && !limited.aborted; attempt += 1) {
      if (await isTold(machine, access, attempt)) return;
      if (attempt < attempts) await machine.clock.sleep(delayMs, limited).catch(() => {}); // the time is up
      signal.throwIfAborted();
    }
  } finally {
    http.close();
  }
}

async function isTold(
  machine: Pick<Machine, "reportReadiness">,
  access: MetadataAccess,
  attempt: number,
): Promise<boolean> {
  try {
    await machine.reportReadiness(access);
    access.log.info("the cloud knows that this VM is ready");
    return true;
  } catch (error) {
    const fields = { attempt, attempts, error: describeFailure(error) };
    access.log.warn("the cloud was not told that this VM is ready", fields);
    return false;
  }
}
