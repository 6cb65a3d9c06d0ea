import type { Log } from "../core/log.ts";
import type { ChildReaper } from "../sys/child-reaper.ts";
import type { GuestPaths } from "./guest-paths.ts";
import { ContainerProcess } from "./process.ts";
import { type StartProcess, startInTerminal, startWithPipes } from "./stdio/process-streams.ts";

/** What starting a process needs. */
export interface LaunchOptions {
  readonly paths: Pick<GuestPaths, "consoleSockets">;
  readonly settings: { readonly pipeSizeBytes: number | undefined };
  readonly reaper: ChildReaper;
  readonly log: Log;
}

/**
 * Has a process started with pipes or in a terminal, and takes charge of it. One that ends at once keeps its exit and its output
 * until somebody asks for them.
 *
 * @throws what `start` throws
 */
export async function launchProcess(
  terminal: boolean,
  { paths, settings, reaper, log }: LaunchOptions,
  start: StartProcess,
): Promise<ContainerProcess> {
  const options = { consoleSockets: paths.consoleSockets, pipeSizeBytes: settings.pipeSizeBytes };
  const { pid, streams } = await (terminal ? startInTerminal : startWithPipes)(options, start);
  return new ContainerProcess(pid, streams, reaper, log);
}
