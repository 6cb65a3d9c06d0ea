import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PortTls } from "../../guest/compose/agent/port-tls.ts";
import { readApfFile } from "../../guest/compose/apf-file.ts";
import { type AgentConfiguration, defaultConfiguration } from "../../guest/compose/configuration.ts";
import { GuestError } from "../../guest/core/errors.ts";
import { createLog, silentLog } from "../../guest/core/log.ts";
import { localGate } from "../../guest/rpc/local-gate.ts";
import { GetResourceService } from "../../guest/rpc/messages/confidential-data-hub.ts";
import { MethodRegistry } from "../../guest/rpc/method-registry.ts";
import { type ServerTls, serverTlsOptions } from "../../guest/rpc/tls.ts";
import { writeFileAtomically } from "../../guest/sys/file.ts";
import { createLocalClient } from "../hub/local-client.ts";
import { createIdentities, type Identity } from "../stack/identities.ts";
import { ManualTiming } from "./clock.ts";

const first = createIdentities();
const second = createIdentities();
const owner = createIdentities().client;
const brokered = { tlsServerCertificate: "kbs:///pod/vm/certificate", tlsServerKey: "kbs:///pod/vm/key" };
const hourMs = 3_600_000;

/** apf.json as cloud-api-adaptor writes it, with other values for some keys. */
function apfOf({ server, client }: typeof first, change: Readonly<Record<string, unknown>> = {}): string {
  const keys = { "tls-server-cert": server.cert, "tls-server-key": server.key, "tls-client-ca": client.cert };
  return JSON.stringify({ ...keys, ...change });
}

let directory = "";
let stop = new AbortController();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "podkeep-port-tls-"));
  stop = new AbortController();
});
afterEach(() => {
  stop.abort();
  rmSync(directory, { recursive: true });
});

/** The material of a port, its clock, what the port was given, and what the log says. */
class Scene {
  readonly apfFile = join(directory, "apf.json");
  readonly timing = new ManualTiming();
  /** By URI. */
  readonly resources = new Map<string, string>();
  readonly replaced: ServerTls[] = [];
  readonly #lines: string[] = [];

  serve({ cert, key }: Identity): void {
    this.resources.set(brokered.tlsServerCertificate, cert).set(brokered.tlsServerKey, key);
  }

  async open(settings: Partial<AgentConfiguration> = {}): Promise<PortTls> {
    const agent = { ...defaultConfiguration.agent, apfFile: this.apfFile, ...settings };
    const log = createLog((line) => this.#lines.push(line));
    const parts = { agent, hub: this.#hub(), timing: this.timing, log, signal: stop.signal };
    const tls = await PortTls.open({ ...parts, apf: readApfFile(agent) });
    tls.keepCurrent({ replaceTls: (material) => void this.replaced.push(material) });
    return tls;
  }

  logged(message: string): string[] {
    return this.#lines.filter((line) => line.includes(message));
  }

  #hub() {
    const registry = new MethodRegistry({ gate: localGate, log: silentLog });
    registry.add(GetResourceService, {
      GetResource: ({ ResourcePath }) => {
        const content = this.resources.get(ResourcePath);
        if (content === undefined) throw new GuestError("unavailable", "the broker is away");
        return { Resource: Buffer.from(content) };
      },
    });
    return createLocalClient(registry, silentLog, stop.signal);
  }
}

describe("threat 2: measured settings go before apf.json, item by item", () => {
  test("without any, all of it is apf.json's", async () => {
    const scene = new Scene();
    writeFileSync(scene.apfFile, apfOf(first, { "tls-min-version": "VersionTLS13" }));
    const { material } = await scene.open();
    expect(material).toMatchObject({ ...first.server, ca: first.client.cert, minVersion: "VersionTLS13" });
  });

  test("the clients' authority of apf.json does not count beside the owner's", async () => {
    const scene = new Scene();
    writeFileSync(scene.apfFile, apfOf(first));
    const { material } = await scene.open({ tlsClientCa: owner.cert, tlsClientName: "cloud-api-adaptor" });
    expect(material).toMatchObject({ ...first.server, ca: owner.cert, clientName: "cloud-api-adaptor" });
    expect(serverTlsOptions(material).ca).toEqual([owner.cert.trim()]);
  });

  test("the host can neither lower the version nor choose the suites of one that is forbidden", async () => {
    const scene = new Scene();
    const suites = ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"];
    writeFileSync(scene.apfFile, apfOf(first, { "tls-min-version": "VersionTLS12", "tls-cipher-suites": suites }));
    const { material } = await scene.open({ tlsMinVersion: "VersionTLS13" });
    expect(serverTlsOptions(material).minVersion).toBe("TLSv1.3");
  });

  test("a certificate of the key broker goes before apf.json's; with the owner's authority no apf.json is needed", async () => {
    const scene = new Scene();
    scene.serve(second.server);
    const { material } = await scene.open({ ...brokered, tlsClientCa: owner.cert });
    expect(material).toMatchObject({ ...second.server, ca: owner.cert });
    writeFileSync(scene.apfFile, apfOf(first));
    expect((await scene.open(brokered)).material).toMatchObject({ ...second.server, ca: first.client.cert });
  });
});

describe("threat 1: a port without its material does not open", () => {
  test.each([
    ["no apf.json", undefined, {}, "apf.json is missing"],
    ["no certificate anywhere", "{}", {}, "has no tls-server-cert"],
    ["nobody who may connect", apfOf(first, { "tls-client-ca": "" }), {}, "needs the authority of the clients"],
    ["the owner's authority, but no apf.json", undefined, { tlsClientCa: owner.cert }, "apf.json is missing"],
  ])("%s", async (_what, apf, settings, problem) => {
    const scene = new Scene();
    if (apf !== undefined) writeFileSync(scene.apfFile, apf);
    await expect(scene.open(settings)).rejects.toThrow(problem);
  });

  test.each([
    ["no certificate", { cert: "SECRET" }],
    ["no key", { key: "SECRET" }],
    ["another's key", { key: second.server.key }],
  ])("%s from the key broker: the URIs are named, never the content", async (_what, change) => {
    const scene = new Scene();
    scene.serve({ ...first.server, ...change });
    const opening = scene.open({ ...brokered, tlsClientCa: owner.cert });
    await expect(opening).rejects.toThrow(
      "kbs:///pod/vm/certificate and kbs:///pod/vm/key are no certificate and its key",
    );
    await expect(opening).rejects.toThrow(expect.not.stringMatching(/SECRET|BEGIN/));
  });

  test("a key broker that can't be reached is asked again for a minute", async () => {
    const settings = { ...brokered, tlsClientCa: owner.cert };
    const late = new Scene();
    const opening = late.open(settings);
    await late.timing.pass(0);
    late.serve(first.server);
    await late.timing.pass(2000);
    expect((await opening).material).toMatchObject(first.server);

    const never = new Scene();
    const failing = never.open(settings);
    failing.catch(() => {});
    await never.timing.pass(0);
    await never.timing.pass(60_001);
    await expect(failing).rejects.toThrow("kbs:///pod/vm/certificate can't be fetched");
  });

  test("when the minute ends in the middle of a call, the reason is that of the call before", async () => {
    const minute = new AbortController();
    vi.spyOn(AbortSignal, "timeout").mockReturnValueOnce(minute.signal);
    const scene = new Scene();
    const failing = scene.open({ ...brokered, tlsClientCa: owner.cert });
    failing.catch(() => {});
    await scene.timing.pass(0);
    minute.abort();
    await scene.timing.pass(2000);
    await expect(failing).rejects.toMatchObject({ cause: { message: "the broker is away" } });
  });
});

describe("apf.json that changes", () => {
  test("is taken, whether it was replaced or written in place; its network is not looked at", async () => {
    const scene = new Scene();
    writeFileSync(scene.apfFile, apfOf(first));
    await scene.open();
    writeFileAtomically(scene.apfFile, apfOf(second, { "pod-network": "nonsense" }));
    await scene.timing.pass(2000);
    expect(scene.replaced).toMatchObject([{ ...second.server, ca: second.client.cert }]);
    writeFileSync(scene.apfFile, apfOf(first, { "pod-name": "longer than before" }));
    await scene.timing.pass(2000);
    expect(scene.replaced).toMatchObject([second.server, first.server]);
    expect(scene.logged("TLS material replaced")).toHaveLength(2);
  });

  test.each([
    ["half written", apfOf(second).slice(0, 500)],
    ["gone", undefined],
    ["without a certificate", "{}"],
    ["without those who may connect", apfOf(second, { "tls-client-ca": null })],
    ["with another's key", apfOf(second, { "tls-server-key": first.server.key })],
  ])("%s: the material in force stays, and the log says so once", async (_what, apf) => {
    const scene = new Scene();
    writeFileSync(scene.apfFile, apfOf(first));
    const tls = await scene.open();
    if (apf === undefined) rmSync(scene.apfFile);
    else writeFileSync(scene.apfFile, apf);
    for (let look = 0; look < 3; look++) await scene.timing.pass(2000);
    expect(scene.replaced).toEqual([]);
    expect(tls.material).toMatchObject(first.server);
    expect(scene.logged("apf.json has changed and can't be used")).toHaveLength(1);
    expect(scene.logged("BEGIN")).toEqual([]);

    writeFileAtomically(scene.apfFile, apfOf(second));
    await scene.timing.pass(2000);
    expect(scene.replaced).toMatchObject([second.server]);
  });

  test("with the same material the port is left alone", async () => {
    const scene = new Scene();
    writeFileSync(scene.apfFile, apfOf(first));
    await scene.open();
    writeFileAtomically(scene.apfFile, apfOf(first, { "pod-name": "other" }));
    await scene.timing.pass(2000);
    expect(scene.replaced).toEqual([]);
  });

  test("threat 2: what the owner has set stays, whatever the host writes", async () => {
    const scene = new Scene();
    scene.serve(first.server);
    const tls = await scene.open({ ...brokered, tlsClientCa: owner.cert });
    writeFileSync(scene.apfFile, apfOf(second));
    await scene.timing.pass(2000);
    expect(tls.material).toMatchObject({ ...first.server, ca: owner.cert });
  });
});

describe("a certificate of the key broker", () => {
  test("is fetched anew after two thirds of its life, before it ends", async () => {
    const scene = new Scene();
    scene.serve(first.server); // valid for a day
    await scene.open({ ...brokered, tlsClientCa: owner.cert });
    scene.serve(second.server);
    await scene.timing.pass(15 * hourMs);
    expect(scene.replaced).toEqual([]);
    await scene.timing.pass(2 * hourMs);
    expect(scene.replaced).toMatchObject([second.server]);
  });

  test("that can't be had keeps the old one in force and is tried again, later each time", async () => {
    const scene = new Scene();
    scene.serve(first.server);
    const tls = await scene.open({ ...brokered, tlsClientCa: owner.cert });
    scene.resources.clear();
    await scene.timing.pass(17 * hourMs);
    await scene.timing.pass(60_000);
    await scene.timing.pass(60_000);
    expect(scene.logged("can't be renewed")).toHaveLength(2);
    scene.serve({ ...second.server, key: first.server.key });
    await scene.timing.pass(60_000);
    expect(scene.logged("can't be renewed")).toHaveLength(3);
    expect(tls.material).toMatchObject(first.server);
    scene.serve(second.server);
    await scene.timing.pass(240_000);
    expect(scene.replaced).toMatchObject([second.server]);
  });

  test("and an apf.json with new clients go together", async () => {
    const scene = new Scene();
    scene.serve(first.server);
    writeFileSync(scene.apfFile, apfOf(first));
    await scene.open(brokered);
    writeFileAtomically(scene.apfFile, apfOf(second));
    await scene.timing.pass(2000);
    scene.serve(second.server);
    await scene.timing.pass(17 * hourMs);
    expect(scene.replaced).toMatchObject([
      { ...first.server, ca: second.client.cert },
      { ...second.server, ca: second.client.cert },
    ]);
  });
});
