import { request as httpRequest } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { sampleDeviceAttester } from "../../guest/attest/sample/attester.ts";
import { silentLog } from "../../guest/core/log.ts";
import { Scope } from "../../guest/core/scope.ts";
import { createRestApi, type RestFeatures } from "../../guest/rest/rest-api.ts";
import { serveHttp } from "../../guest/rpc/http/server.ts";
import { type ServiceOptions, startServices } from "../hub/services.ts";

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

type Ask = (
  method: string,
  path: string,
  options?: { body?: string; headers?: Record<string, string> },
) => Promise<Answer>;

/** Serves the API on loopback and gives a client that sends paths as they are. */
async function start(
  features: RestFeatures,
  options: ServiceOptions = {},
): Promise<{ ask: Ask; port: number; requests: readonly unknown[] }> {
  const services = await startServices(options);
  const scope = new Scope();
  onTestFinished(() => scope.close());
  const { agent: attestationAgent, dataHub } = services;
  const handler = createRestApi({ features, attestationAgent, dataHub, version: "1.2.3", log: silentLog });
  const { port } = await serveHttp({ listen: { host: "127.0.0.1", port: 0 }, handler, log: silentLog, scope });
  const ask: Ask = (method, path, { body, headers = {} } = {}) =>
    new Promise((resolve, reject) => {
      const outgoing = httpRequest({ host: "127.0.0.1", port, method, path, headers }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("end", () => {
          const type = incoming.headers["content-type"];
          resolve({ status: incoming.statusCode ?? 0, type, body: Buffer.concat(chunks).toString() });
        });
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  return { ask, port, requests: services.kbs.requests };
}

const kbs = { resources: { "default/key/1": "s3cret" } };
const binary = "application/octet-stream";

describe("K1: resources", () => {
  test("any method gets the bytes; the query is dropped", async () => {
    const { ask } = await start("resource", { kbs });
    const expected = { status: 200, type: binary, body: "s3cret" };
    expect(await ask("GET", "/cdh/resource/default/key/1")).toEqual(expected);
    expect(await ask("POST", "/cdh/resource/default/key/1?x=y")).toEqual(expected);
    expect(await ask("HEAD", "/cdh/resource/default/key/1")).toEqual({ ...expected, body: "" });
  });

  test("K6: a resource that isn't released is 500 with a text, at once", async () => {
    const { ask } = await start("resource", { kbs: { ...kbs, policy: () => false } });
    const failed = { status: 500, type: undefined, body: "ttrpc request error" };
    expect(await ask("GET", "/cdh/resource/default/key/1")).toEqual(failed);
    expect(await ask("GET", "/cdh/resource/default/key/2")).toEqual(failed);
  });

  test.each([
    "/cdh/resource/default/../1",
    "/cdh/resource/default/%2e%2e/1",
    "/cdh/resource/default//1",
    "/cdh/resource//default/key/1",
    "/cdh/resource/default/key/1/",
    "/cdh/resource/default/key",
    "/cdh/resource/default/key/1/2",
    "/cdh/resource/default/key/.1",
    "/cdh/resource/default/key/%31",
    "/cdh/resource/default/key/1;a",
    "/cdh/resource/default/key/1#x",
    `/cdh/resource/default/key/${"1".repeat(300)}`,
    "/cdh/resource/",
  ])("threat 125: %s is refused before the data hub is asked", async (path) => {
    const { ask, requests } = await start("resource", { kbs });
    expect(await ask("GET", path)).toEqual({ status: 400, type: undefined, body: "BAD REQUEST" });
    expect(requests).toEqual([]);
  });
});

describe("I13: evidence and tokens", () => {
  test("evidence, plain and in base64url", async () => {
    const { ask } = await start("attestation");
    const expected = { status: 200, type: binary, body: '{"svn":"1","report_data":"eHh4eA=="}' };
    expect(await ask("GET", "/aa/evidence?runtime_data=xxxx")).toEqual(expected);
    expect(await ask("GET", "/aa/evidence?runtime_data=eHh4eA&encoding=base64")).toEqual(expected);
    expect(await ask("GET", "/aa/evidence?runtime_data=a&runtime_data=%78xx%78")).toEqual(expected);
    expect((await ask("GET", "/aa/evidence?runtime_data=")).body).toBe('{"svn":"1","report_data":""}');
  });

  test("additional evidence, empty without devices", async () => {
    const without = await start("attestation");
    const path = "/aa/additional-evidence?runtime_data=xxxx";
    expect(await without.ask("GET", path)).toEqual({ status: 200, type: binary, body: "" });
    const { ask } = await start("attestation", { agentParts: { devices: [sampleDeviceAttester] } });
    expect((await ask("GET", path)).body).toBe('{"sampledevice":{"svn":"2","report_data":"eHh4eA=="}}');
  });

  test("a token with its key", async () => {
    const { ask } = await start("all");
    const { status, type, body } = await ask("GET", "/aa/token?token_type=kbs");
    expect([status, type]).toEqual([200, binary]);
    expect(Object.keys(JSON.parse(body))).toEqual(["token", "tee_keypair"]);
    expect(await ask("GET", "/aa/token?token_type=x")).toMatchObject({ status: 500, body: "ttrpc request error" });
  });

  test.each([
    "/aa/token",
    "/aa/token?type=kbs",
    "/aa/evidence",
    "/aa/evidence?runtime_data=eHh4eA==&encoding=base64",
    "/aa/evidence?runtime_data=%2F%2F%2F%2F&encoding=base64",
    "/aa/evidence?runtime_data=xxxx&encoding=hex",
    "/aa/additional-evidence?encoding=base64",
  ])("%s lacks what it needs", async (path) => {
    const { ask } = await start("attestation");
    expect(await ask("GET", path)).toEqual({ status: 400, type: undefined, body: "BAD REQUEST" });
  });

  test("events: the exact bytes of each result", async () => {
    const body = '{"domain":"d","operation":"o","content":"c","more":1}';
    const json = "application/json";
    const off = await start("attestation");
    expect(await off.ask("POST", "/aa/aael", { body })).toEqual({
      status: 200,
      type: json,
      body: '{"success":"false","message": "Attestation Agent does not enable eventlog recording"}',
    });
    const unsupported = await start("attestation", { agentConfig: "[eventlog_config]\nenable_eventlog = true\n" });
    expect((await unsupported.ask("POST", "/aa/aael", { body })).body).toBe(
      '{"success":"false","message": "The platform does not support runtime measurement"}',
    );
    for (const bad of ["", "{", "[]", '{"domain":"d"}', '{"domain":1,"operation":"o","content":"c"}']) {
      const answer = await off.ask("POST", "/aa/aael", { body: bad });
      expect(answer.status).toBe(500);
      expect(answer.body).toMatch(/^Illegal AAEL eventry format: /);
    }
  });
});

describe("/info", () => {
  test("version, TEE, devices and features", async () => {
    const { ask } = await start("all", { agentParts: { devices: [sampleDeviceAttester] } });
    expect(await ask("GET", "/info")).toEqual({
      status: 200,
      type: "application/json",
      body: '{"version":"Guest Components Version: 1.2.3","tee":"sample","additional_tees":["sampledevice"],"feature":"all"}',
    });
    expect(await ask("POST", "/info")).toEqual({ status: 405, type: undefined, body: "Method Not Allowed" });
    expect((await ask("HEAD", "/info")).status).toBe(405);
  });

  test("without attestation it doesn't ask for the TEE", async () => {
    const { ask } = await start("resource");
    expect((await ask("GET", "/info")).body).toBe('{"version":"Guest Components Version: 1.2.3","feature":"resource"}');
  });
});

describe("routes", () => {
  test.each<[RestFeatures, string, string, string]>([
    ["resource", "GET", "/aa/token?token_type=kbs", "Attestation Feature Not Enabled"],
    ["resource", "GET", "/aa/anything", "Attestation Feature Not Enabled"],
    ["attestation", "GET", "/cdh/resource/default/key/1", "Resource Feature Not Enabled"],
    ["attestation", "GET", "/cdh/anything", "Resource Feature Not Enabled"],
    ["all", "GET", "/", "URL NOT FOUND"],
    ["all", "GET", "/aa", "URL NOT FOUND"],
    ["all", "GET", "/cdh", "URL NOT FOUND"],
    ["all", "GET", "/info/", "URL NOT FOUND"],
    ["all", "GET", "/cdh/resource", "URL NOT FOUND"],
    ["all", "GET", "/cdh/Resource/default/key/1", "URL NOT FOUND"],
    ["all", "GET", "/CDH/resource/default/key/1", "URL NOT FOUND"],
    ["all", "GET", "//cdh/resource/default/key/1", "URL NOT FOUND"],
    ["all", "GET", "/%63dh/resource/default/key/1", "URL NOT FOUND"],
    ["all", "GET", "/aa/token/?token_type=kbs", "URL NOT FOUND"],
    ["all", "POST", "/aa/token?token_type=kbs", "URL NOT FOUND"],
    ["all", "HEAD", "/aa/evidence?runtime_data=x", ""],
    ["all", "GET", "/aa/aael", "URL NOT FOUND"],
    ["all", "GET", "/aa/additional_evidence?runtime_data=x", "URL NOT FOUND"],
  ])("threat 98: with %s, %s %s is 404", async (features, method, path, body) => {
    const { ask } = await start(features, { kbs });
    expect(await ask(method, path)).toEqual({ status: 404, type: undefined, body });
  });

  test.each<[string, Record<string, string>]>([
    ["another Host", { host: "evil.example" }],
    ["a Host that begins like ours", { host: "127.0.0.1.evil.example:8006" }],
    ["the origin of a web page", { origin: "https://evil.example" }],
  ])("threat 124: %s is forbidden", async (_what, headers) => {
    const { ask, requests } = await start("all", { kbs });
    const answer = await ask("POST", "/cdh/resource/default/key/1", { headers });
    expect(answer).toEqual({ status: 403, type: undefined, body: "Forbidden" });
    expect(requests).toEqual([]);
  });

  test("threat 128: a port that somebody has already is not shared", async () => {
    const { port } = await start("all");
    const scope = new Scope();
    onTestFinished(() => scope.close());
    const again = serveHttp({
      listen: { host: "127.0.0.1", port },
      handler: () => ({ status: 200 }),
      log: silentLog,
      scope,
    });
    await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
