import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GuestFixture, whyNoContainers } from "./guest-fixture.ts";
import { containerRequest, processRequest, sandboxId } from "./requests.ts";

describe.skipIf(whyNoContainers !== undefined)("life of a container", () => {
  let guest: GuestFixture;
  beforeEach(async () => {
    guest = new GuestFixture();
    await guest.call("CreateSandbox", { hostname: "pod-1", sandbox_id: sandboxId });
  });
  afterEach(async () => {
    await guest.call("DestroySandbox", {});
    expect(await guest.close()).toEqual([]);
  });

  test("runs from creation to removal, with its output and exit status", async () => {
    await guest.call(
      "CreateContainer",
      containerRequest(guest.paths, "c1", ["sh", "-c", "echo out; echo err >&2; exit 3"]),
    );
    await guest.call("StartContainer", { container_id: "c1" });
    expect(await readAll(guest, "ReadStdout", "c1", "c1")).toBe("out\n");
    expect(await readAll(guest, "ReadStderr", "c1", "c1")).toBe("err\n");
    expect(await guest.call("WaitProcess", { container_id: "c1", exec_id: "c1" })).toEqual({ status: 3 });
    await guest.call("RemoveContainer", { container_id: "c1" });
  });

  test("runs further processes", async () => {
    await guest.call("CreateContainer", containerRequest(guest.paths, "c1", ["sleep", "100"]));
    await guest.call("StartContainer", { container_id: "c1" });
    await guest.call("ExecProcess", {
      container_id: "c1",
      exec_id: "e1",
      process: processRequest(["sh", "-c", "cat; exit 5"]),
    });
    await guest.call("WriteStdin", { container_id: "c1", exec_id: "e1", data: Buffer.from("hello") });
    await guest.call("CloseStdin", { container_id: "c1", exec_id: "e1" });
    expect(await readAll(guest, "ReadStdout", "c1", "e1")).toBe("hello");
    expect(await guest.call("WaitProcess", { container_id: "c1", exec_id: "e1" })).toEqual({ status: 5 });
    await guest.call("SignalProcess", { container_id: "c1", exec_id: "", signal: 9 });
    expect(await guest.call("WaitProcess", { container_id: "c1", exec_id: "" })).toEqual({ status: 137 });
    await guest.call("RemoveContainer", { container_id: "c1" });
  });
});

async function readAll(
  guest: GuestFixture,
  method: "ReadStdout" | "ReadStderr",
  id: string,
  execId: string,
): Promise<string> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { data } = await guest.call(method, { container_id: id, exec_id: execId, len: 32_768 });
    if (data.byteLength === 0) return Buffer.concat(pieces).toString();
    pieces.push(data);
  }
}
