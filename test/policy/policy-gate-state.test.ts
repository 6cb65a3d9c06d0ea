import { describe, expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../../guest/core/json.ts";
import type { GateDecision } from "../../guest/rpc/method.ts";
import { type Rules, refusal, scriptedGate } from "./gate-under-test.ts";

const start = { container_id: "c1" };

describe("threats 17, 18: state changes when the work has succeeded", () => {
  /** A policy as the generator writes them: pins the sandbox's name, remembers container ids. */
  const generated: Rules = {
    CreateContainerRequest: (input, document) => {
      const state = document["pstate"] as Record<string, JsonValue>;
      const spec = input["OCI"] as unknown as { readonly Annotations: Record<string, string> };
      const name = spec.Annotations["io.kubernetes.cri.sandbox-name"] ?? "";
      const pinned = state["sandbox_name"];
      const ops = [{ op: "add", path: `/pstate/${input["container_id"]}`, value: 0 }];
      if (pinned === undefined) ops.push({ op: "add", path: "/pstate/sandbox_name", value: name as never });
      return { allowed: pinned === undefined || pinned === name, ops };
    },
    RemoveContainerRequest: (input) => ({
      allowed: true,
      ops: [{ op: "remove", path: `/pstate/${input["container_id"]}` }],
    }),
    GetOOMEventRequest: true,
  };
  const create = (id: string, sandbox: string) =>
    ({ container_id: id, OCI: { Annotations: { "io.kubernetes.cri.sandbox-name": sandbox } } }) as const;

  function agent() {
    const scripted = scriptedGate(generated);
    const state = () => {
      // The first question is asked with the changes of requests under way, a second one without them.
      const { length } = scripted.engine.asked;
      scripted.decide("GetOOMEvent", {});
      return JSON.parse(JSON.stringify(scripted.engine.asked[length]?.document["pstate"])) as unknown;
    };
    const allowed = (decision: GateDecision) => {
      if (decision.kind !== "allow") throw new Error("not allowed");
      return decision;
    };
    return {
      state,
      create: (id: string, sandbox: string) => allowed(scripted.decide("CreateContainer", create(id, sandbox))),
      remove: (id: string) => allowed(scripted.decide("RemoveContainer", { container_id: id })),
      refusedToCreate: (id: string, sandbox: string) =>
        refusal(() => scripted.decide("CreateContainer", create(id, sandbox))).code,
      refusedToRemove: (id: string) => refusal(() => scripted.decide("RemoveContainer", { container_id: id })).code,
    };
  }

  test("a change is seen at once, stays when committed, goes when rolled back", () => {
    const { state, create } = agent();
    const first = create("c1", "web");
    expect(state()).toEqual({ c1: 0, sandbox_name: "web" });
    first.commit();
    const second = create("c2", "web");
    expect(state()).toEqual({ c1: 0, c2: 0, sandbox_name: "web" });
    second.rollback();
    expect(state()).toEqual({ c1: 0, sandbox_name: "web" });
  });

  test("threat 18: an id whose creation failed can be created again", () => {
    const { state, create, remove } = agent();
    create("c1", "web").rollback();
    expect(state()).toEqual({});
    create("c1", "web").commit();
    remove("c1").rollback();
    expect(state()).toEqual({ c1: 0, sandbox_name: "web" });
    remove("c1").commit();
    expect(state()).toEqual({ sandbox_name: "web" });
  });

  test("a pin that others relied on outlives the failure of the request that set it", () => {
    const { state, create, refusedToCreate } = agent();
    const failing = create("c1", "web");
    create("c2", "web").commit();
    failing.rollback();
    expect(state()).toEqual({ c2: 0, sandbox_name: "web" });
    expect(refusedToCreate("c3", "other")).toBe("permission-denied");
  });

  test("a pin that nobody relied on goes with the failed request", () => {
    const { create, state } = agent();
    create("c1", "web").rollback();
    create("c2", "other").commit();
    expect(state()).toEqual({ c2: 0, sandbox_name: "other" });
  });

  test("threat 17: removing the state's own keys is refused before the policy, and changes nothing", () => {
    const { state, create, refusedToRemove, refusedToCreate } = agent();
    create("c1", "web").commit();
    for (const id of ["sandbox_name", "namespace", "network_namespace"]) {
      expect(refusedToRemove(id)).toBe("invalid-argument");
      expect(refusedToCreate(id, "web")).toBe("internal");
    }
    expect(state()).toEqual({ c1: 0, sandbox_name: "web" });
    expect(refusedToCreate("c2", "other")).toBe("permission-denied");
  });

  test("threat 29: a request passes only if it would, whether those under way succeed or fail", () => {
    const isThere = (wanted: boolean) => (_input: unknown, document: JsonObject) =>
      Object.hasOwn(document["pstate"] as JsonObject, "c1") === wanted;
    const { decide, lines } = scriptedGate({
      ...generated,
      StartContainerRequest: isThere(true),
      PauseContainerRequest: isThere(false),
    });
    const underWay = decide("CreateContainer", create("c1", "web"));
    const denied = { code: "permission-denied" };
    expect(refusal(() => decide("StartContainer", start))).toMatchObject(denied);
    expect(refusal(() => decide("PauseContainer", start))).toMatchObject(denied);
    expect(lines.filter((line) => line.includes("request denied by policy"))).toHaveLength(2);
    if (underWay.kind === "allow") underWay.commit();
    expect(decide("StartContainer", start).kind).toBe("allow");
  });

  test("a second end of the same request does nothing", () => {
    const { state, create } = agent();
    const decision = create("c1", "web");
    decision.commit();
    decision.rollback();
    expect(state()).toEqual({ c1: 0, sandbox_name: "web" });
  });

  test("removing an unknown id is an error, as with the reference", () => {
    expect(agent().refusedToRemove("c9")).toBe("internal");
  });
});
