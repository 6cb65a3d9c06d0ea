/** Serves Health on loopback, plain and with mutual TLS, until its parent ends it. Sends the parent a {@link BenchServer}. */
import process from "node:process";
import { silentLog } from "../../../guest/core/log.ts";
import { Scope } from "../../../guest/core/scope.ts";
import { localGate } from "../../../guest/rpc/local-gate.ts";
import { Health } from "../../../guest/rpc/messages/health.ts";
import { MethodRegistry } from "../../../guest/rpc/method-registry.ts";
import { servePort } from "../../../guest/rpc/port.ts";
import { createIdentities, type Identities } from "../../stack/identities.ts";

/** What the parent needs to connect. */
export interface BenchServer {
  readonly port: number;
  readonly identities: Identities;
}

const identities = createIdentities();
const { server, client } = identities;
const registry = new MethodRegistry({ gate: localGate, log: silentLog });
registry.add(Health, { Check: () => ({ status: 1 }) });
const listen = { host: "127.0.0.1", port: 0 };
const tls = { ...server, ca: client.cert };
const { port } = await servePort({ registry, listen, tls, plain: true, log: silentLog, scope: new Scope() });
process.send?.({ port, identities } satisfies BenchServer);
process.on("disconnect", () => process.exit());
