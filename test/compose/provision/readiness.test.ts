import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { reportReadiness } from "../../../guest/compose/provision/readiness.ts";
import { createLog } from "../../../guest/core/log.ts";
import { reportAzureReadiness } from "../../../guest/initdata/user-data/azure-readiness.ts";
import { systemClock } from "../../../guest/initdata/user-data/fetch.ts";
import type { MetadataAccess } from "../../../guest/initdata/user-data/source.ts";
import { MetadataService } from "../../initdata/user-data/metadata-service.ts";
import { cloudConfig, countingClock, leftFiles, runProvision, setScene } from "./provision-fixture.ts";

const userData = "GET /metadata/instance/compute/userData?api-version=2021-01-01&format=text";
const versions = "GET /?comp=versions";
const goalState = "GET /machine/?comp=goalstate";
const health = "POST /machine?comp=health";
const base64 = (document: string): string => Buffer.from(document).toString("base64");

/** Azure with user data, and a fabric that gives these answers. */
async function startAzure(state = "<Incarnation>7</Incarnation>", version = "2015-04-05"): Promise<MetadataService> {
  const service = await MetadataService.start();
  service.serve(userData, base64(cloudConfig({ "apf.json": "{}" })), ["metadata", "true"]);
  service.serve(
    versions,
    `<Versions><Supported><Version>2010-12-15</Version><Version>${version}</Version></Supported></Versions>`,
  );
  const ids = "<ContainerId>c-1</ContainerId><RoleInstance><InstanceId>i-2._vm</InstanceId></RoleInstance>";
  service.serve(goalState, `<GoalState>${state}<Container>${ids}</Container></GoalState>`, [
    "x-ms-version",
    "2015-04-05",
  ]);
  return service;
}

describe("Azure is told that the VM is ready", () => {
  test("with the identifiers of its goal state, once everything is written", async () => {
    await using service = await startAzure();
    const scene = setScene({ source: "azure" });
    const reports: string[] = [];
    service.answers.set(health, async (request, response) => {
      expect(request.headers).toMatchObject({
        "x-ms-version": "2015-04-05",
        "content-type": "text/xml; charset=utf-8",
      });
      expect(leftFiles(scene)).toHaveProperty("initdata.toml");
      reports.push(await text(request));
      response.end();
    });
    const { failure, log } = await runProvision(scene, { metadata: service.origin });
    expect(failure).toBe("");
    expect(log).toContain("the cloud knows that this VM is ready");
    expect(reports).toHaveLength(1);
    const elements = [
      "<GoalStateIncarnation>7</GoalStateIncarnation>",
      "<ContainerId>c-1</ContainerId>",
      "<InstanceId>i-2._vm</InstanceId>",
      "<State>Ready</State>",
    ];
    for (const element of elements) expect(reports[0]).toContain(element);
  });

  test.each([
    ["that is busy", "<Incarnation>7</Incarnation>", "2015-04-05", "/machine?comp=health answers 404"],
    ["without a goal state", "", "2015-04-05", "has no Incarnation"],
    ["that would have us send markup", "<Incarnation>1</x><!--</Incarnation>", "2015-04-05", "has no Incarnation"],
    ["of another version", "<Incarnation>7</Incarnation>", "2012-11-30", "goalstate answers 400"],
  ])("a fabric %s does not hold back the pod; the log has it", async (_name, state, version, problem) => {
    await using service = await startAzure(state, version);
    const { clock, slept } = countingClock();
    const { failure, log } = await runProvision(setScene({ source: "azure" }), { metadata: service.origin, clock });
    expect(failure).toBe("");
    expect(slept).toEqual([2000, 2000, 2000]);
    expect(log).toContain(problem);
  });

  test("a fabric that never answers holds it back for a while, and no longer", async () => {
    await using service = await MetadataService.start();
    service.answers.set(versions, () => {});
    const lines: string[] = [];
    const log = createLog((line) => lines.push(line));
    const machine = {
      clock: systemClock,
      reportReadiness: (access: MetadataAccess) => reportAzureReadiness(access, service.origin),
    };
    await reportReadiness(machine, log, new AbortController().signal, 200);
    expect(service.asked).toEqual([versions]);
    expect(lines.map((line) => JSON.parse(line).message)).toEqual(["the cloud was not told that this VM is ready"]);

    const stop = new AbortController();
    const reporting = reportReadiness(machine, log, stop.signal);
    stop.abort(new Error("told to stop"));
    await expect(reporting).rejects.toThrow("told to stop");
  });

  test("is not told when anything is wrong", async () => {
    await using service = await startAzure();
    service.serve(userData, base64(cloudConfig({ initdata: "x" })), ["metadata", "true"]);
    const { failure } = await runProvision(setScene({ source: "azure" }), { metadata: service.origin });
    expect(failure).toContain("can't be used");
    expect(service.asked).toEqual([userData]);
  });
});

test("other clouds are not told", async () => {
  await using service = await MetadataService.start();
  service.serve("GET /latest/user-data", cloudConfig({ "apf.json": "{}" }));
  expect((await runProvision(setScene({ source: "alibaba" }), { metadata: service.origin })).failure).toBe("");
  expect(service.asked).toEqual(["GET /latest/user-data"]);
});
