import { describe, expect, test } from "vitest";
import type { JsonValue } from "../../guest/core/json.ts";
import { AgentService } from "../../guest/rpc/messages/agent.ts";
import { Health } from "../../guest/rpc/messages/health.ts";
import type { MethodDefinition } from "../../guest/rpc/method.ts";
import { callContext, type Rules, receivedRequest, refusal, scriptedGate } from "./gate-under-test.ts";

const start = { container_id: "c1" };

describe("threat 13: only true and {allowed: true} let a request pass", () => {
  const passing: readonly JsonValue[] = [
    true,
    { allowed: true },
    { allowed: true, ops: null },
    { allowed: true, ops: [], other: 1 },
  ];
  test.each(passing.map((value) => [JSON.stringify(value), value]))("%s passes", (_text, value) => {
    expect(scriptedGate({ StartContainerRequest: value as JsonValue }).decide("StartContainer", start).kind).toBe(
      "allow",
    );
  });

  const blocked = { code: "permission-denied", peerMessage: '"StartContainerRequest is blocked by policy: "' };
  test.each([false, { allowed: false }, { allowed: false, ops: [{ op: "nonsense" }] }])("%j is denied", (value) => {
    const { decide } = scriptedGate({ StartContainerRequest: value });
    expect(refusal(() => decide("StartContainer", start))).toEqual(blocked);
  });

  const failed = {
    code: "internal",
    peerMessage: '"StartContainerRequest: internal error policy evaluation failed"',
  };
  const noDecision: readonly JsonValue[] = [
    null,
    0,
    1,
    1n,
    "true",
    "",
    [],
    [true],
    {},
    { allowed: 1 },
    { allowed: "true" },
    { allowed: null, ops: [] },
    { Allowed: true },
    { allowed: true, ops: {} },
    { allowed: true, ops: "x" },
  ];
  test.each(noDecision.map((value) => [String(value), value]))("%s is an error", (_text, value) => {
    const { decide } = scriptedGate({ StartContainerRequest: value as JsonValue });
    expect(refusal(() => decide("StartContainer", start))).toEqual(failed);
  });

  test("no value is an error with the reference's words", () => {
    expect(refusal(() => scriptedGate({}).decide("StartContainer", start))).toEqual({
      code: "internal",
      peerMessage: '"StartContainerRequest: internal error policy check: unexpected eval_query result len 0"',
    });
  });

  test.each([new Error("conflict"), new RangeError("Maximum call stack size exceeded"), "a thrown string", undefined])(
    "an engine that throws %s denies, and says nothing to the peer",
    (thrown) => {
      const { decide, lines } = scriptedGate({
        StartContainerRequest: () => {
          throw thrown;
        },
      });
      expect(refusal(() => decide("StartContainer", start))).toEqual(failed);
      expect(lines.join("")).toContain("policy evaluation failed");
    },
  );

  test.each([
    { op: "remove", path: "/pstate/missing" },
    { op: "add", path: "/nowhere/x", value: 1 },
    { op: "add", path: "pstate", value: 1 },
    { op: "jump", path: "/pstate/x" },
    { op: "add", path: "/pstate/x" },
    { op: "replace", path: "", value: 1 },
    "remove",
  ])("a patch that can't be applied is an error and changes nothing: %j", (operation) => {
    const { decide, engine } = scriptedGate({ StartContainerRequest: { allowed: true, ops: [operation] } });
    expect(refusal(() => decide("StartContainer", start))).toEqual(failed);
    expect(refusal(() => decide("StartContainer", start))).toEqual(failed);
    expect(JSON.stringify(engine.asked.at(-1)?.document)).toBe('{"pstate":{}}');
  });
});

describe("dispatch", () => {
  const everything: Rules = new Proxy({}, { get: () => true });

  test("every method of the agent asks its own rule", () => {
    const { gate, engine } = scriptedGate(everything, { origin: { kind: "set-policy" } });
    engine.asked.length = 0;
    for (const method of Object.values<MethodDefinition>(AgentService.methods)) {
      const hasId = method.request.fields.some(({ name }) => name === "container_id");
      gate.decide(method, receivedRequest(method, hasId ? start : {}), callContext());
    }
    const asked = Object.keys(AgentService.methods).map((name, index) => `${name} ${engine.asked[index]?.entrypoint}`);
    const renamed: Readonly<Record<string, string>> = {
      ReadStdout: "ReadStreamRequest",
      ReadStderr: "ReadStreamRequest",
      WriteStdin: "WriteStreamRequest",
      GetGuestDetails: "GuestDetailsRequest",
      GetVolumeStats: "VolumeStatsRequest",
      MemAgentMemcgSet: "MemAgentMemcgConfig",
      MemAgentCompactSet: "MemAgentCompactConfig",
    };
    expect(asked).toEqual(
      Object.keys(AgentService.methods).map((name) => `${name} ${renamed[name] ?? `${name}Request`}`),
    );
    expect(asked).toHaveLength(42);
  });

  test("Health is not asked about", () => {
    const { gate, engine } = scriptedGate({});
    engine.asked.length = 0;
    for (const method of Object.values<MethodDefinition>(Health.methods))
      expect(gate.decide(method, {}, callContext()).kind).toBe("allow");
    expect(engine.asked).toEqual([]);
  });

  test("another service is refused", () => {
    const { gate } = scriptedGate(everything);
    const method = { ...AgentService.methods.StartContainer, service: "evil.AgentService" };
    expect(refusal(() => gate.decide(method, start, callContext())).code).toBe("permission-denied");
  });
});

describe("threat 58, scenario P1: reading a stream", () => {
  const readStreams = ["ReadStdout", "ReadStderr"] as const;
  const read = { container_id: "c1", exec_id: "", len: 32768 };
  const refusing: readonly (readonly [string, Rules])[] = [
    ["denied", { ReadStreamRequest: false }],
    ["undefined", {}],
    [
      "failing",
      {
        ReadStreamRequest: () => {
          throw new Error("no");
        },
      },
    ],
  ];
  for (const name of readStreams) {
    test.each(refusing)(`${name} %s answers the end of the stream instead of reading`, (_why, rules) => {
      expect(scriptedGate(rules).decide(name, read)).toEqual({ kind: "answer", response: {} });
    });
  }

  test("logs can be allowed without exec and stdin", () => {
    const { decide } = scriptedGate({ ReadStreamRequest: true, WriteStreamRequest: false, ExecProcessRequest: false });
    expect(decide("ReadStdout", read).kind).toBe("allow");
    expect(refusal(() => decide("WriteStdin", { container_id: "c1" })).code).toBe("permission-denied");
    expect(refusal(() => decide("ExecProcess", { container_id: "c1" })).code).toBe("permission-denied");
  });
});

describe("threat 12: SetPolicy", () => {
  const newPolicy = { policy: "package agent_policy\ndefault StartContainerRequest := true" };

  test("is refused once the policy came from initdata, whatever its rule says", () => {
    const { gate, decide, engine } = scriptedGate({ SetPolicyRequest: true });
    engine.asked.length = 0;
    const blocked = { code: "permission-denied", peerMessage: '"SetPolicyRequest is blocked by policy: "' };
    expect(refusal(() => decide("SetPolicy", newPolicy))).toEqual(blocked);
    expect(refusal(() => gate.setPolicy(newPolicy.policy))).toEqual(blocked);
    expect(engine.asked).toEqual([]);
    expect(gate.status.origin).toBe("initdata");
  });

  test("scenario P2: is decided by the rule of the policy in force otherwise, and sees the text", () => {
    const origin = { kind: "default-file", path: "/etc/policy.rego" } as const;
    const { decide, engine } = scriptedGate(
      { SetPolicyRequest: (input) => input["policy"] === newPolicy.policy },
      { origin },
    );
    expect(decide("SetPolicy", newPolicy).kind).toBe("allow");
    expect(refusal(() => decide("SetPolicy", { policy: "other" })).code).toBe("permission-denied");
    expect(JSON.stringify(engine.asked.at(-1)?.input)).toBe('{"policy":"other"}');
  });
});

describe("threat 11: AllowRequestsFailingPolicy", () => {
  const change: JsonValue = { allowed: false, ops: [{ op: "add", path: "/pstate/x", value: 1 }] };

  test("lets denied and undefined requests pass, loudly, without their state", () => {
    const { gate, decide, lines, engine } = scriptedGate({
      AllowRequestsFailingPolicy: true,
      StartContainerRequest: change,
    });
    expect(decide("StartContainer", start).kind).toBe("allow");
    expect(decide("WaitProcess", start).kind).toBe("allow");
    expect(JSON.stringify(engine.asked.at(-1)?.document)).toBe('{"pstate":{}}');
    expect(gate.status.allowsFailures).toBe(true);
    expect(lines.filter((line) => line.includes('"level":"warn"'))).toHaveLength(3);
  });

  test("does not let errors pass", () => {
    const { decide } = scriptedGate({ AllowRequestsFailingPolicy: true, StartContainerRequest: "yes" });
    expect(refusal(() => decide("StartContainer", start)).code).toBe("internal");
  });

  test.each([
    false,
    "true",
    { allowed: false },
    () => {
      throw new Error("no");
    },
  ])("is off for %s", (value) => {
    const { gate, decide } = scriptedGate({ AllowRequestsFailingPolicy: value, StartContainerRequest: false });
    expect(gate.status.allowsFailures).toBe(false);
    expect(refusal(() => decide("StartContainer", start)).code).toBe("permission-denied");
  });
});

describe("threat 21: what a denial tells", () => {
  const exec = { container_id: "c1", process: { Args: ["sh"], Env: ["PASSWORD=hunter2"] } };
  const nearest = {
    rule: "data.agent_policy.ExecProcessRequest",
    place: "agent_policy:12",
    literal: "input.process.Args in allowed",
    values: { "input.process.Env": '["PASSWORD=hunter2"]' },
  };
  const denyExec = (debug: boolean, level: "info" | "debug") => {
    const scripted = scriptedGate({ ExecProcessRequest: false }, { debug, level });
    scripted.engine.attempts = [nearest];
    scripted.engine.printed = ['agent_policy:12: "PASSWORD=hunter2"', "agent_policy:13:\nnext"];
    return { ...scripted, peer: refusal(() => scripted.decide("ExecProcess", exec)) };
  };

  test("the peer: that it was refused; the guest's log: rule and literal, and no part of the request", () => {
    const { peer, lines } = denyExec(false, "info");
    expect(peer.peerMessage).toBe('"ExecProcessRequest is blocked by policy: "');
    const [line = ""] = lines.filter((text) => text.includes("request denied by policy"));
    expect(JSON.parse(line)).toMatchObject({
      level: "warn",
      entrypoint: "ExecProcessRequest",
      rule: nearest.rule,
      place: nearest.place,
      literal: nearest.literal,
    });
    expect(lines.join("")).not.toContain("hunter2");
  });

  test("the values go to debug lines only", () => {
    const { lines, peer } = denyExec(false, "debug");
    const withSecret = lines.filter((line) => line.includes("hunter2"));
    expect(withSecret).toHaveLength(1);
    expect(withSecret[0]).toContain('"level":"debug"');
    expect(peer.peerMessage).not.toContain("hunter2");
  });

  test("measured debug: the peer gets the prints as the reference writes them", () => {
    expect(denyExec(true, "info").peer.peerMessage).toBe(
      '"ExecProcessRequest is blocked by policy: agent_policy:12: \\"PASSWORD=hunter2\\" agent_policy:13:\\nnext"',
    );
  });

  test("an explanation that fails doesn't change the denial", () => {
    const { engine, decide, lines } = scriptedGate({ ExecProcessRequest: false }, { debug: true });
    engine.explain = () => {
      throw new Error("budget");
    };
    expect(refusal(() => decide("ExecProcess", exec)).peerMessage).toBe('"ExecProcessRequest is blocked by policy: "');
    expect(lines.join("")).toContain("budget");
  });
});
