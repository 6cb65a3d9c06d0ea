import { GuestError } from "../core/errors.ts";
import type { Timing } from "../kbs/index.ts";
import { GetResourceService } from "../rpc/messages/confidential-data-hub.ts";
import type { RpcClient } from "../rpc/method.ts";
import { parseAuthorities, type ServerTls, serverTlsOptions } from "../rpc/tls.ts";
import type { ApfTls } from "./apf-file.ts";
import type { AgentConfiguration } from "./configuration.ts";

/** A certificate, with those between it and its authority, and its key; PEM. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

/** One resource of the key broker; the reference's own limit for such calls. */
const fetchTimeoutMs = 50_000;

/** How long a VM that is starting asks for its certificate, again and again: its network may be younger than the agent. */
const startTimeoutMs = 60_000;
const startPauseMs = 2000;

/**
 * The TLS material of port 15150: what the measured configuration says, and for each item that it leaves open what the host says in
 * apf.json (threat model row 2).
 *
 * @param fetched the certificate that the configuration names, from the key broker
 * @throws GuestError `failed-precondition` when nothing brings a certificate, `invalid-argument` when the items don't fit together
 */
export function composePortTls(
  agent: AgentConfiguration,
  apf: ApfTls,
  fetched: ServerCertificate | undefined,
): ServerTls {
  const tls: ServerTls = {
    ...chooseCertificate(agent, apf, fetched),
    ca: agent.tlsClientCa || apf.ca || refuseStrangers(agent),
    clientName: agent.tlsClientName || undefined,
    minVersion: agent.tlsMinVersion || apf.minVersion,
    // The worker's list is for TLS 1.2, which the configuration may have forbidden.
    cipherSuites: agent.tlsMinVersion === "VersionTLS13" ? undefined : apf.cipherSuites,
  };
  serverTlsOptions(tls);
  return tls;
}

/**
 * Checks what the port will take of an apf.json, before the key broker can be asked.
 *
 * @throws GuestError as {@link composePortTls}
 */
export function checkApfTls(agent: AgentConfiguration, apf: ApfTls): void {
  if (agent.tls === "off") return;
  if (agent.tlsServerCertificate === "") composePortTls(agent, apf, undefined);
  else if (agent.tlsClientCa === "") parseAuthorities(apf.ca ?? refuseStrangers(agent));
}

function refuseStrangers({ apfFile }: AgentConfiguration): never {
  const problem = `${apfFile} has no tls-client-ca, and TLS needs the authority of the clients (agent.tls_client_ca)`;
  throw new GuestError("failed-precondition", problem);
}

function chooseCertificate(
  { tlsServerCertificate }: AgentConfiguration,
  { cert, key }: ApfTls,
  fetched: ServerCertificate | undefined,
): ServerCertificate {
  if (tlsServerCertificate !== "") {
    if (fetched !== undefined) return fetched;
    throw new GuestError("failed-precondition", `${tlsServerCertificate} has not been fetched`);
  }
  if (cert !== undefined && key !== undefined) return { cert, key };
  throw new GuestError(
    "failed-precondition",
    "apf.json has no tls-server-cert, and port 15150 requires TLS (agent.tls)",
  );
}

/**
 * Fetches the certificate that the configuration names from the key broker, by way of the data hub: no VM gets it but one that has
 * proved to be of this image and this initdata.
 *
 * @returns undefined when the configuration names none
 * @throws GuestError naming the URIs, never what they hold; `invalid-argument` when that is no certificate and its key
 */
export async function fetchServerCertificate(
  { tlsServerCertificate, tlsServerKey }: AgentConfiguration,
  hub: RpcClient,
  signal: AbortSignal,
): Promise<ServerCertificate | undefined> {
  if (tlsServerCertificate === "") return undefined;
  const cert = await fetchText(tlsServerCertificate, hub, signal);
  const key = await fetchText(tlsServerKey, hub, signal);
  try {
    serverTlsOptions({ cert, key, requireClientCertificate: false });
  } catch (cause) {
    const problem = `${tlsServerCertificate} and ${tlsServerKey} are no certificate and its key`;
    throw new GuestError("invalid-argument", problem, { cause });
  }
  return { cert, key };
}

/** As {@link fetchServerCertificate}, for some time again when the key broker can't be reached. */
export async function awaitServerCertificate(
  agent: AgentConfiguration,
  hub: RpcClient,
  timing: Timing,
  signal: AbortSignal,
): Promise<ServerCertificate | undefined> {
  const deadline = timing.monotonicMs() + startTimeoutMs;
  const patience = AbortSignal.any([signal, AbortSignal.timeout(startTimeoutMs)]);
  let reason: unknown;
  for (;;) {
    try {
      return await fetchServerCertificate(agent, hub, patience);
    } catch (error) {
      // A call that was cut short at the end doesn't say what is wrong, the one before it does.
      if (!patience.aborted || reason === undefined) reason = error;
      const isFinal = error instanceof GuestError && error.code === "invalid-argument";
      if (isFinal || patience.aborted || timing.monotonicMs() > deadline) throw reason;
      await timing.sleep(startPauseMs, signal);
    }
  }
}

async function fetchText(uri: string, hub: RpcClient, signal: AbortSignal): Promise<string> {
  const { GetResource } = GetResourceService.methods;
  try {
    const { Resource } = await hub.call(GetResource, { ResourcePath: uri }, { timeoutMs: fetchTimeoutMs, signal });
    return Buffer.from(Resource).toString("utf8");
  } catch (cause) {
    throw new GuestError("unavailable", `TLS: ${uri} can't be fetched from the key broker`, { cause });
  }
}
