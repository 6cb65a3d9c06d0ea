import { describe, expect, test, vi } from "vitest";
import { GuestError } from "../../guest/core/errors.ts";
import { createLog, silentLog } from "../../guest/core/log.ts";
import { localGate } from "../../guest/rpc/local-gate.ts";
import {
  AgentService,
  type CopyFileRequest,
  ReadStreamRequest,
  ReadStreamResponse,
  SignalProcessRequest,
} from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { Gate, GateDecision, MethodDefinition } from "../../guest/rpc/method.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../guest/rpc/protobuf/encode.ts";
import { RunningCall } from "../../guest/rpc/running-call.ts";

const noBytes = new Uint8Array(0);
const { CopyFile, ReadStdout, SignalProcess } = AgentService.methods;

function newCall(): RunningCall {
  return new RunningCall({ metadata: new Map(), protocol: "local", connection: 1, log: silentLog });
}

/** A gate that notes what it is asked and what becomes of it, and answers as told. */
function recordingGate(
  decide: (method: MethodDefinition) => "allow" | Extract<GateDecision, { kind: "answer" }> = () => "allow",
) {
  const events: string[] = [];
  const gate: Gate = {
    decide: (method) => {
      events.push(`ask ${method.name}`);
      const decision = decide(method);
      if (decision !== "allow") return decision as Extract<GateDecision<never>, { kind: "answer" }>;
      return { kind: "allow", commit: () => events.push("commit"), rollback: () => events.push("rollback") };
    },
  };
  return { gate, events };
}

test("threat 8: every method of a service asks the gate exactly once, before anything happens", async () => {
  for (const service of [AgentService, Health]) {
    for (const definition of Object.values(service.methods)) {
      const { gate, events } = recordingGate();
      const registry = new MethodRegistry({ gate, log: silentLog });
      const handler = () => {
        events.push("handler");
        return {};
      };
      registry.add(service as { name: string; methods: Record<string, MethodDefinition> }, {
        [definition.name]: handler,
      });
      await registry.find(service.name, definition.name).invoke(noBytes, newCall());
      expect(events).toEqual([`ask ${definition.name}`, "handler", "commit"]);
    }
  }
});

test("threat 8: a method without handler asks the gate and is unimplemented, denied when the gate says so", async () => {
  const { gate, events } = recordingGate();
  const registry = new MethodRegistry({ gate, log: silentLog });
  registry.add(AgentService, {});
  const call = registry.find("grpc.AgentService", "AddSwap").invoke(noBytes, newCall());
  await expect(call).rejects.toMatchObject({ code: "unimplemented" });
  expect(events).toEqual(["ask AddSwap", "rollback"]);

  const denying: Gate = {
    decide: () => {
      throw new GuestError("permission-denied", "no");
    },
  };
  const strictRegistry = new MethodRegistry({ gate: denying, log: silentLog });
  strictRegistry.add(AgentService, {});
  const denied = strictRegistry.find("grpc.AgentService", "AddSwap").invoke(noBytes, newCall());
  await expect(denied).rejects.toMatchObject({ code: "permission-denied", message: "no" });
});

test("threat 9: a denied request reaches no handler", async () => {
  const handler = vi.fn(() => ({}));
  const denying: Gate = {
    decide: () => {
      throw new GuestError("permission-denied", "no");
    },
  };
  const registry = new MethodRegistry({ gate: denying, log: silentLog });
  registry.add(AgentService, { CopyFile: handler });
  await expect(registry.find(CopyFile.service, CopyFile.name).invoke(noBytes, newCall())).rejects.toThrow("no");
  expect(handler).not.toHaveBeenCalled();
});

test("threat 4: gate and handler get the same frozen object", async () => {
  const seen: unknown[] = [];
  const gate: Gate = {
    decide: (_method, request) => {
      seen.push(request);
      return { kind: "allow", commit: () => {}, rollback: () => {} };
    },
  };
  const registry = new MethodRegistry({ gate, log: silentLog });
  registry.add(AgentService, {
    CopyFile: (request: CopyFileRequest) => {
      seen.push(request);
      return {};
    },
  });
  await registry
    .find(CopyFile.service, CopyFile.name)
    .invoke(encodeMessage(CopyFile.request, { path: "/x" }), newCall());
  expect(seen).toHaveLength(2);
  expect(seen[0]).toBe(seen[1]);
  expect(Object.isFrozen(seen[0])).toBe(true);
});

test("threat 4: unknown fields are refused before the gate is asked, unless the service may ignore them", async () => {
  const { gate, events } = recordingGate();
  const unknown = Uint8Array.of(0x7a, 0);
  const refusing = new MethodRegistry({ gate, log: silentLog });
  refusing.add(Health, { Check: () => ({ status: 1 }) });
  await expect(refusing.find("grpc.Health", "Check").invoke(unknown, newCall())).rejects.toMatchObject({
    code: "invalid-argument",
    message: "cannot decode grpc.CheckRequest at grpc.CheckRequest: field number 15 is not known",
  });
  expect(events).toEqual([]);
  const ignoring = new MethodRegistry({ gate, log: silentLog, unknownFields: "ignore" });
  ignoring.add(Health, { Check: () => ({ status: 1 }) });
  await expect(ignoring.find("grpc.Health", "Check").invoke(unknown, newCall())).resolves.toHaveLength(2);
});

test("a gate's own answer is sent instead of running the handler", async () => {
  const { gate, events } = recordingGate(() => ({ kind: "answer", response: { data: Uint8Array.of(1) } }));
  const registry = new MethodRegistry({ gate, log: silentLog });
  registry.add(AgentService, {
    ReadStdout: () => {
      throw new Error("must not run");
    },
  });
  const bytes = await registry
    .find(ReadStdout.service, ReadStdout.name)
    .invoke(encodeMessage(ReadStreamRequest, { len: 1 }), newCall());
  expect(decodeMessage(ReadStreamResponse, bytes, { unknownFields: "reject" }).data).toEqual(Uint8Array.of(1));
  expect(events).toEqual(["ask ReadStdout"]);
});

describe("failures", () => {
  test("a failed handler takes the policy's tentative state back", async () => {
    const { gate, events } = recordingGate();
    const registry = new MethodRegistry({ gate, log: silentLog });
    registry.add(AgentService, { SignalProcess: () => Promise.reject(new GuestError("not-found", "gone")) });
    const bytes = encodeMessage(SignalProcessRequest, { container_id: "c" });
    await expect(registry.find(SignalProcess.service, SignalProcess.name).invoke(bytes, newCall())).rejects.toThrow(
      "gone",
    );
    expect(events).toEqual(["ask SignalProcess", "rollback"]);
  });

  test("a response that can't be encoded is a failure, too", async () => {
    const { gate, events } = recordingGate();
    const registry = new MethodRegistry({ gate, log: silentLog });
    registry.add(Health, { Check: () => ({ status: 1.5 }) });
    await expect(registry.find("grpc.Health", "Check").invoke(noBytes, newCall())).rejects.toMatchObject({
      code: "internal",
    });
    expect(events).toEqual(["ask Check", "rollback"]);
  });

  test("a caller that went away is no line of the log that an operator has to read", async () => {
    const lines: string[] = [];
    const registry = new MethodRegistry({ gate: localGate, log: createLog((line) => lines.push(line), "info") });
    registry.add(Health, {
      Check: () => Promise.reject(new GuestError("cancelled", "cancelled")),
      Version: () => Promise.reject(new GuestError("not-found", "not found")),
    });
    await expect(registry.find("grpc.Health", "Check").invoke(noBytes, newCall())).rejects.toThrow("cancelled");
    await expect(registry.find("grpc.Health", "Version").invoke(noBytes, newCall())).rejects.toThrow("not found");
    expect(lines.map((line) => JSON.parse(line).code)).toEqual(["not-found"]);
  });

  test("an error that nobody raised on purpose tells the peer nothing and the log everything", async () => {
    const lines: string[] = [];
    const log = createLog((line) => lines.push(line));
    const registry = new MethodRegistry({ gate: localGate, log });
    registry.add(Health, {
      Check: () => {
        throw new Error("the key is 0xdeadbeef");
      },
    });
    await expect(registry.find("grpc.Health", "Check").invoke(noBytes, newCall())).rejects.toMatchObject({
      code: "internal",
      message: "internal error",
      peerMessage: "internal error",
    });
    expect(lines.join("")).toContain("0xdeadbeef");
  });
});

describe("registration", () => {
  test("services and methods that are not there are unimplemented, in the words of the Go server", () => {
    const registry = new MethodRegistry({ gate: localGate, log: silentLog });
    registry.add(Health, {});
    expect(() => registry.find("grpc.Nope", "Check")).toThrow(new GuestError("unimplemented", "service grpc.Nope"));
    expect(() => registry.find("grpc.Health", "check")).toThrow(new GuestError("unimplemented", "method check"));
    for (const name of ["__proto__", "constructor", "toString"]) {
      expect(() => registry.find(name, name)).toThrow("service");
      expect(() => registry.find("grpc.Health", name)).toThrow("method");
    }
  });

  test("a service can't be added twice, nor a handler for a method that it does not have", () => {
    const registry = new MethodRegistry({ gate: localGate, log: silentLog });
    registry.add(Health, {});
    expect(() => registry.add(Health, {})).toThrow("registered already");
    const stray: object = { Chekc: () => ({}) };
    expect(() => registry.add(AgentService, stray)).toThrow("has no method Chekc");
  });
});
