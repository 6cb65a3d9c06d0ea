import { GuestError } from "../../core/errors.ts";
import { orAborted } from "../../core/or-aborted.ts";
import { isExecId } from "../../policy/container-id.ts";
import type { ExecProcessRequest } from "../../rpc/messages/agent.ts";
import { convertExecProcess } from "../../runtime/conversion/process.ts";
import { launchProcess } from "../../runtime/launch.ts";
import type { ContainerProcess } from "../../runtime/process.ts";
import { refuseStreamPorts } from "../container-request.ts";
import type { AgentDependencies } from "../dependencies.ts";
import { lookupContainer } from "../lookup.ts";
import type { Sandbox } from "../sandbox.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

const SIGKILL = 9;
const SIGTERM = 15;
const maxSignal = 64;

/** Processes of a container (spec/agent-rpc.md 6.1 to 6.3). */
export function processHandlers(
  sandbox: Sandbox,
  dependencies: AgentDependencies,
): AgentHandlers<"ExecProcess" | "SignalProcess" | "WaitProcess"> {
  return {
    ExecProcess: async (request) => {
      await exec(request, sandbox, dependencies);
      return {};
    },
    SignalProcess: async ({ container_id: id, exec_id: execId, signal }) => {
      if (signal < 1 || signal > maxSignal) throw new GuestError("invalid-argument", "signal is out of range");
      if (execId === "" && signal === SIGKILL) await killContainer(id, sandbox);
      else signalOne(lookupContainer(sandbox, id).processes.find(execId), execId === "" || execId === id, signal);
      return {};
    },
    WaitProcess: async ({ container_id: id, exec_id: execId }, context) => {
      const { processes } = lookupContainer(sandbox, id);
      const process = processes.find(execId);
      const status = await orAborted(process.exited, context.signal);
      processes.collect(execId, process);
      return { status };
    },
  };
}

async function exec(request: ExecProcessRequest, sandbox: Sandbox, dependencies: AgentDependencies): Promise<void> {
  const { exec_id: execId, process } = request;
  if (process === null) throw new GuestError("internal", "Unable to parse process from ExecProcessRequest");
  const container = sandbox.container(request.container_id);
  if (!isExecId(execId)) throw new GuestError("invalid-argument", "exec id is malformed");
  refuseStreamPorts(request);
  const { id, bundle, runtime, process: containerProcess } = container.parts;
  const converted = convertExecProcess(process, containerProcess);
  await container.exec(execId, () =>
    launchProcess(converted.terminal, dependencies, (stdio) => runtime.exec(id, bundle, converted, stdio)),
  );
}

async function killContainer(id: string, sandbox: Sandbox): Promise<void> {
  const container = sandbox.container(id, () => new GuestError("internal", `Invalid container id ${id.slice(0, 128)}`));
  await container.killAll();
}

function signalOne(process: ContainerProcess, isInit: boolean, signal: number): void {
  if (isInit && signal === SIGTERM) process.terminateInit();
  else process.signal(signal);
}
