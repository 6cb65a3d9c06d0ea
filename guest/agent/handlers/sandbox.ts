import type { AgentDependencies } from "../dependencies.ts";
import type { Sandbox } from "../sandbox.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

/** CreateSandbox, DestroySandbox, GetOOMEvent. */
export function sandboxHandlers(
  sandbox: Sandbox,
  { log, onDestroyed }: AgentDependencies,
): AgentHandlers<"CreateSandbox" | "DestroySandbox" | "GetOOMEvent"> {
  return {
    CreateSandbox: async (request, context) => {
      await sandbox.create(request, context);
      log.info("sandbox is running", { sandbox: request.sandbox_id });
      return {};
    },
    DestroySandbox: async () => {
      const failure = await sandbox.destroy();
      // The answer has to leave before the server does.
      setImmediate(onDestroyed);
      if (failure !== undefined) throw failure;
      log.info("sandbox is destroyed");
      return {};
    },
    GetOOMEvent: async (_request, { signal }) => ({ container_id: await sandbox.oomEvents.next(signal) }),
  };
}
