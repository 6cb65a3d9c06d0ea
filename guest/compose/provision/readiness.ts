import { describeFailure } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { MetadataAccess } from "../../initdata/user-data/source.ts";
import { HttpClient } from "../../sys/http-client.ts";
import type { Machine } from "./machine.ts";

/** The network is up by now: user data came by it. */
const attempts = 4;
const delayMs = 2000;

/**
 * Tells the cloud that the VM is ready, once it has proven to be: Azure wants to know. A cloud that doesn't listen is no reason to
 * hold back the pod; the log has it.
 */
export async function reportReadiness(machine: Machine, log: Log, signal: AbortSignal): Promise<void> {
  const http = new HttpClient();
  const access: MetadataAccess = { http, log, signal };
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await machine.reportReadiness(access);
        log.info("the cloud knows that this VM is ready");
        return;
      } catch (error) {
        signal.throwIfAborted();
        log.warn("the cloud was not told that this VM is ready", { attempt, attempts, error: describeFailure(error) });
        if (attempt === attempts) return;
      }
      await machine.clock.sleep(delayMs, signal);
    }
  } finally {
    http.close();
  }
}
