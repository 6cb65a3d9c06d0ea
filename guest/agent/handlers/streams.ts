import { GuestError } from "../../core/errors.ts";
import type { ReadStreamRequest, WriteStreamRequest } from "../../rpc/messages/agent.ts";
import type { ContainerProcess } from "../../runtime/process.ts";
import { lookupContainer } from "../lookup.ts";
import type { Sandbox } from "../sandbox.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

/** Standard streams of processes (spec/agent-rpc.md 6.4 to 6.7). */
export function streamHandlers(
  sandbox: Sandbox,
): AgentHandlers<"ReadStdout" | "ReadStderr" | "WriteStdin" | "CloseStdin" | "TtyWinResize"> {
  return {
    ReadStdout: async (request, { signal }) => ({
      data: await readable(sandbox, request).streams.stdout.read(request.len, signal),
    }),
    ReadStderr: async (request, { signal }) => ({
      data: await readable(sandbox, request).streams.stderr.read(request.len, signal),
    }),
    WriteStdin: async (request, { signal }) => {
      const { streams } = writable(sandbox, request);
      if (request.data.byteLength === 0) streams.closeStdin();
      else await streams.stdin.write(request.data, signal);
      return { len: request.data.byteLength };
    },
    CloseStdin: ({ container_id: id, exec_id: execId }) => {
      lookupContainer(sandbox, id).processes.find(execId).streams.closeStdin();
      return {};
    },
    TtyWinResize: ({ container_id: id, exec_id: execId, row, column }) => {
      lookupContainer(sandbox, id).processes.find(execId).streams.resize(row, column);
      return {};
    },
  };
}

function readable(sandbox: Sandbox, { container_id: id, exec_id: execId }: ReadStreamRequest): ContainerProcess {
  return lookupContainer(sandbox, id).processes.findReadable(execId);
}

/** WriteStdin has words of its own for what is not there (spec/agent-rpc.md 6.5). */
function writable(sandbox: Sandbox, { container_id: id, exec_id: execId }: WriteStreamRequest): ContainerProcess {
  const { processes } = sandbox.container(id);
  try {
    return processes.find(execId);
  } catch (cause) {
    const missing = execId === "" ? "init process missing" : "invalid exec id";
    throw new GuestError("internal", `Process not found: ${missing}`, { cause });
  }
}
