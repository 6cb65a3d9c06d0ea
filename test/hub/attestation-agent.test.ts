import { createPrivateKey } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { sampleAttester, sampleDeviceAttester } from "../../guest/attest/sample/attester.ts";
import { silentLog } from "../../guest/core/log.ts";
import { Scope } from "../../guest/core/scope.ts";
import { connectGrpc, connectTtrpc } from "../../guest/rpc/connect.ts";
import { AttestationAgentService } from "../../guest/rpc/messages/attestation.ts";
import type { RpcClient } from "../../guest/rpc/method.ts";
import type { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { servePort } from "../../guest/rpc/port.ts";
import { startServices } from "./services.ts";

const methods = AttestationAgentService.methods;

/** Serves the registry on a unix socket and connects by both protocols. */
async function connectBoth(registry: MethodRegistry): Promise<Record<"ttrpc" | "grpc", RpcClient>> {
  const directory = mkdtempSync(join(tmpdir(), "podkeep-hub-"));
  const scope = new Scope();
  const path = join(directory, "aa.sock");
  await servePort({ registry, listen: { path }, plain: true, log: silentLog, scope });
  const clients = { ttrpc: await connectTtrpc({ path }), grpc: await connectGrpc({ path }) };
  onTestFinished(async () => {
    await clients.ttrpc.close();
    await clients.grpc.close();
    await scope.close();
    rmSync(directory, { recursive: true });
  });
  return clients;
}

describe("evidence", () => {
  test("I13: evidence of the TEE and of devices, bound to the caller's data", async () => {
    const { agent } = await startServices({ agentParts: { devices: [sampleDeviceAttester] } });
    const RuntimeData = Buffer.from("xxxx");
    const { Evidence } = await agent.call(methods.GetEvidence, { RuntimeData });
    expect(Buffer.from(Evidence).toString()).toBe('{"svn":"1","report_data":"eHh4eA=="}');
    const additional = await agent.call(methods.GetAdditionalEvidence, { RuntimeData });
    expect(Buffer.from(additional.Evidence).toString()).toBe('{"sampledevice":{"svn":"2","report_data":"eHh4eA=="}}');
    expect((await agent.call(methods.GetTeeType, {})).tee).toBe("sample");
    expect((await agent.call(methods.GetAdditionalTees, {})).additional_tees).toEqual(["sampledevice"]);
  });

  test("without devices additional evidence is empty", async () => {
    const { agent } = await startServices();
    const { Evidence } = await agent.call(methods.GetAdditionalEvidence, { RuntimeData: Buffer.from("x") });
    expect(Evidence).toHaveLength(0);
  });

  test("one device that fails fails the whole", async () => {
    const broken = { ...sampleDeviceAttester, getEvidence: () => Promise.reject(new Error("EIO")) };
    const { agent } = await startServices({ agentParts: { devices: [sampleDeviceAttester, broken] } });
    await expect(agent.call(methods.GetAdditionalEvidence, {})).rejects.toMatchObject({ code: "internal" });
  });
});

describe("GetToken", () => {
  test("a KBS token comes with the key that it names; each call has a key of its own", async () => {
    const { agent, kbs } = await startServices();
    const get = async () => {
      const { Token } = await agent.call(methods.GetToken, { TokenType: "kbs" });
      return JSON.parse(Buffer.from(Token).toString());
    };
    const first = await get();
    const claims = JSON.parse(Buffer.from(first.token.split(".")[1], "base64url").toString());
    const named = claims.submods.cpu0["ear.veraison.annotated-evidence"].runtime_data_claims["tee-pubkey"];
    expect(createPrivateKey(first.tee_keypair).export({ format: "jwk" })).toMatchObject({ x: named.x, y: named.y });
    expect((await get()).tee_keypair).not.toBe(first.tee_keypair);
    expect(kbs.requests.filter(({ path }) => path.endsWith("/auth"))).toHaveLength(2);
  });

  test("initdata goes to the key broker when the agent has it", async () => {
    const initData = 'version = "0.1.0"\nalgorithm = "sha384"\n[data]\n';
    const { agent, kbs } = await startServices({ agentParts: { initData } });
    await agent.call(methods.GetToken, { TokenType: "kbs" });
    expect(JSON.parse(kbs.requests[1]?.body ?? "")["init-data"]).toEqual({ format: "toml", body: initData });
  });

  test("coco_as: evidence goes to the attestation service, its answer is the token", async () => {
    const { createServer } = await import("node:http");
    const seen: string[] = [];
    const server = createServer((request, response) => {
      request.on("data", (chunk: Buffer) => seen.push(chunk.toString()));
      request.on("end", () => response.end("a.b.c"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const agentConfig = `[token_configs.coco_as]\nurl = "http://127.0.0.1:${port}/"\n`;
    const { agent } = await startServices({ agentConfig });
    const { Token } = await agent.call(methods.GetToken, { TokenType: "coco_as" });
    expect(Buffer.from(Token).toString()).toBe("a.b.c");
    const evidence = Buffer.from('{"svn":"1","report_data":""}').toString("base64url");
    expect(JSON.parse(seen.join(""))).toEqual({
      verification_requests: [{ tee: "sample", evidence }],
      policy_ids: [],
    });
  });

  test.each(["KBS", "", "maa", "__proto__", "coco_as"])("type %j fails", async (TokenType) => {
    const { agent } = await startServices();
    await expect(agent.call(methods.GetToken, { TokenType })).rejects.toMatchObject({ code: "internal" });
  });
});

describe("runtime measurements and initdata", () => {
  const event = { Domain: "d", Operation: "o", Content: "c" };

  test("switched off comes before not supported", async () => {
    const off = await startServices();
    expect((await off.agent.call(methods.ExtendRuntimeMeasurement, event)).Result).toBe(2);
    const on = await startServices({ agentConfig: "[eventlog_config]\nenable_eventlog = true\n" });
    expect((await on.agent.call(methods.ExtendRuntimeMeasurement, event)).Result).toBe(1);
  });

  test("an event reaches the recorder with its register", async () => {
    const recorded: unknown[] = [];
    const registers = {
      hash: "sha256",
      logIndexOf: Number,
      extend: async () => {},
      read: async () => Buffer.alloc(32),
    } as const;
    const { agent } = await startServices({
      agentConfig: "[eventlog_config]\nenable_eventlog = true\n",
      agentParts: {
        attester: { ...sampleAttester, registers },
        events: { record: async (measured) => void recorded.push(measured) },
      },
    });
    expect((await agent.call(methods.ExtendRuntimeMeasurement, { ...event, RegisterIndex: 0n })).Result).toBe(0);
    await agent.call(methods.ExtendRuntimeMeasurement, event);
    expect(recorded).toEqual([
      { domain: "d", operation: "o", content: "c", pcr: 0 },
      { domain: "d", operation: "o", content: "c", pcr: undefined },
    ]);
    const tooHigh = { ...event, RegisterIndex: 18446744073709551615n };
    await expect(agent.call(methods.ExtendRuntimeMeasurement, tooHigh)).rejects.toMatchObject({ code: "internal" });
  });

  test("binding says yes only when it holds", async () => {
    const { agent } = await startServices();
    await expect(agent.call(methods.BindInitData, { Digest: Buffer.alloc(32) })).rejects.toMatchObject({
      code: "internal",
    });
    const attester = { ...sampleAttester, bindInitData: async () => "bound" as const };
    const binding = await startServices({ agentParts: { attester } });
    await binding.agent.call(methods.BindInitData, { Digest: Buffer.alloc(32) });
  });
});

describe("over sockets", () => {
  test("both protocols answer all methods, BindInitData too", async () => {
    const attester = { ...sampleAttester, bindInitData: async () => "bound" as const };
    const { agentRegistry } = await startServices({ agentParts: { attester } });
    for (const client of Object.values(await connectBoth(agentRegistry))) {
      expect((await client.call(methods.GetTeeType, {})).tee).toBe("sample");
      expect((await client.call(methods.GetToken, { TokenType: "kbs" })).Token.length).toBeGreaterThan(500);
      await client.call(methods.BindInitData, { Digest: Buffer.alloc(32) });
    }
  });

  test("failures have the reference's code and text, and nothing else", async () => {
    const attester = { ...sampleAttester, getEvidence: () => Promise.reject(new Error("/dev/secret")) };
    const { agentRegistry } = await startServices({ agentParts: { attester, devices: [attester] } });
    const { ttrpc, grpc } = await connectBoth(agentRegistry);
    const textOf = async (call: Promise<unknown>) => {
      const error = await call.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "internal" });
      return String(error instanceof Error ? error.message : error);
    };
    const tag = "[ERROR:attestation-agent] ";
    expect(await textOf(ttrpc.call(methods.GetEvidence, {}))).toBe(`${tag}AA-KBC get evidence failed`);
    expect(await textOf(grpc.call(methods.GetEvidence, {}))).toBe(`${tag}AA get evidence failed`);
    expect(await textOf(ttrpc.call(methods.GetAdditionalEvidence, {}))).toBe(`${tag}AA-KBC get evidence failed`);
    expect(await textOf(grpc.call(methods.GetAdditionalEvidence, {}))).toBe(`${tag}AA get additional evidence failed`);
    expect(await textOf(ttrpc.call(methods.GetToken, { TokenType: "x" }))).toBe(`${tag}AA-KBC get token failed`);
    expect(await textOf(grpc.call(methods.GetToken, { TokenType: "x" }))).toBe(`${tag}AA get token failed`);
    expect(await textOf(ttrpc.call(methods.BindInitData, {}))).toBe(`${tag}AA binding init data failed`);
  });
});
