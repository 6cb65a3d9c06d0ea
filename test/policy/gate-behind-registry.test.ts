import { describe, expect, test } from "vitest";
import { GuestError } from "../../guest/core/errors.ts";
import { PolicyGate } from "../../guest/policy/policy-gate.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import type { Handlers, MethodDefinition } from "../../guest/rpc/method.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { decodeMessage } from "../../guest/rpc/protobuf/decode.ts";
import { encodeMessage } from "../../guest/rpc/protobuf/encode.ts";
import { callContext, recordingLog } from "./gate-under-test.ts";

/** Remembers containers, and starts only those that it remembers. */
const text = `package agent_policy
import rego.v1
place := concat("/", ["", "pstate", input.container_id])
CreateContainerRequest := {"allowed": true, "ops": [{"op": "add", "path": place, "value": true}]}
RemoveContainerRequest := {"allowed": true, "ops": [{"op": "remove", "path": place}]}
default StartContainerRequest := false
StartContainerRequest if data.pstate[input.container_id]
default ReadStreamRequest := false
`;

/** A server's path from bytes to handlers. */
function server(handlers: Handlers<typeof AgentService>) {
  const { log } = recordingLog();
  const gate = new PolicyGate({ policy: { kind: "rego", text }, origin: { kind: "initdata" }, debug: false, log });
  const registry = new MethodRegistry({ gate, log });
  registry.add(AgentService, handlers);
  return async (name: keyof typeof AgentService.methods, request: object = { container_id: "c1" }) => {
    // The table's entry for the name; its type parameters are those of the request.
    const method = AgentService.methods[name] as MethodDefinition;
    const bytes = await registry
      .find(AgentService.name, name)
      .invoke(encodeMessage(method.request, request), callContext(log));
    return decodeMessage(method.response, bytes, { unknownFields: "reject" });
  };
}

const succeeds = () => ({});
const fails = () => {
  throw new GuestError("internal", "no disk");
};
const failsLater = async () => {
  await new Promise((resolve) => setImmediate(resolve));
  throw new GuestError("internal", "no disk");
};
const blocked = { code: "permission-denied" };

describe("the policy's state follows the handlers", () => {
  test("threat 18: a creation that succeeded is remembered, until a removal that succeeded", async () => {
    const call = server({ CreateContainer: succeeds, StartContainer: succeeds, RemoveContainer: succeeds });
    await expect(call("StartContainer")).rejects.toMatchObject(blocked);
    await call("CreateContainer");
    await call("StartContainer");
    await call("RemoveContainer");
    await expect(call("StartContainer")).rejects.toMatchObject(blocked);
  });

  test.each([
    ["at once", fails],
    ["later", failsLater],
  ])("threat 18: a creation that fails %s is forgotten", async (_when, CreateContainer) => {
    const call = server({ CreateContainer, StartContainer: succeeds });
    await expect(call("CreateContainer")).rejects.toThrow("no disk");
    await expect(call("StartContainer")).rejects.toMatchObject(blocked);
  });

  test("threat 17: a removal that fails, as of an unknown container, forgets nothing", async () => {
    const call = server({ CreateContainer: succeeds, StartContainer: succeeds, RemoveContainer: failsLater });
    await call("CreateContainer");
    await expect(call("RemoveContainer")).rejects.toThrow("no disk");
    await call("StartContainer");
  });

  test("a method without handler changes nothing either", async () => {
    const call = server({ StartContainer: succeeds });
    await expect(call("CreateContainer")).rejects.toMatchObject({ code: "unimplemented" });
    await expect(call("StartContainer")).rejects.toMatchObject(blocked);
  });
});

test("threat 58: a denied read never reaches its handler, and the peer sees the end of the stream", async () => {
  let reads = 0;
  const call = server({
    ReadStdout: () => {
      reads += 1;
      return { data: Buffer.from("secret") };
    },
  });
  expect(await call("ReadStdout", { container_id: "c1", len: 100 })).toEqual({ data: new Uint8Array() });
  expect(reads).toBe(0);
});

test("threat 20: what a handler gets is what the policy judged, and can't be changed in between", async () => {
  let seen: unknown;
  const call = server({
    CreateContainer: async (request) => {
      seen = request;
      await new Promise((resolve) => setImmediate(resolve));
      expect(() => {
        (request as { container_id: string }).container_id = "other";
      }).toThrow(TypeError);
      return {};
    },
  });
  await call("CreateContainer");
  expect(seen).toMatchObject({ container_id: "c1" });
});
