import { GuestError } from "../../core/errors.ts";
import type { AgentDependencies } from "../dependencies.ts";
import { FileReceiver } from "../file-receiver.ts";
import type { Sandbox } from "../sandbox.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

/** CopyFile (spec/agent-rpc.md 6.8). */
export function fileHandlers(sandbox: Sandbox, { paths, settings, now }: AgentDependencies): AgentHandlers<"CopyFile"> {
  const receiver = new FileReceiver(paths, settings.copyQuotaBytes, now);
  return {
    CopyFile: (request) => {
      if (settings.freezeFilesAfterStart && sandbox.workloadStarted) {
        throw new GuestError("failed-precondition", "files are frozen since a container has started");
      }
      receiver.receive(request);
      return {};
    },
  };
}
