import { X509Certificate } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Log } from "../../core/log.ts";
import type { Timing } from "../../kbs/index.ts";
import type { RpcClient } from "../../rpc/method.ts";
import type { OpenPort } from "../../rpc/port.ts";
import type { ServerTls } from "../../rpc/tls.ts";
import { fileVersion } from "../../sys/file.ts";
import { type ApfTls, type ReadApfFile, readApfFile } from "../apf-file.ts";
import type { AgentConfiguration } from "../configuration.ts";
import {
  awaitServerCertificate,
  composePortTls,
  fetchServerCertificate,
  type ServerCertificate,
} from "../tls-material.ts";

/** How often apf.json is looked at. */
const pollMs = 2000;

/** A certificate is fetched anew after two thirds of what is left of its life, within these bounds. */
const renewalShare = 2 / 3;
const minRenewalMs = 60_000;
const maxRenewalMs = 86_400_000;

/** Pause after the first fetch that failed; doubled with each further one. */
const firstRetryMs = 60_000;
const maxRetryMs = 1_800_000;

/** A port that is open with TLS. */
type TlsPort = Pick<OpenPort, "replaceTls">;

/** Where the TLS material of a port comes from, and who wants to know. */
export interface PortTlsParts {
  readonly agent: AgentConfiguration;
  /** As it was read at the start. */
  readonly apf: ReadApfFile;
  readonly hub: RpcClient;
  readonly timing: Timing;
  readonly log: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

/**
 * The TLS material of port 15150, kept current while the port is open: apf.json may change, and a certificate of the key broker may
 * near its end. Whatever is wrong with new material, that in force stays, and the log says so once. The rest of apf.json, such as the
 * pod's network, counts at the start only.
 */
export class PortTls {
  readonly #parts: PortTlsParts;
  #apf: ApfTls;
  #certificate: ServerCertificate | undefined;
  #material: ServerTls;

  /**
   * The material that the port is to open with.
   *
   * @throws GuestError as {@link composePortTls} and {@link fetchServerCertificate}
   */
  static async open(parts: PortTlsParts): Promise<PortTls> {
    const { agent, hub, timing, signal } = parts;
    return new PortTls(parts, await awaitServerCertificate(agent, hub, timing, signal));
  }

  private constructor(parts: PortTlsParts, certificate: ServerCertificate | undefined) {
    this.#parts = parts;
    this.#apf = parts.apf.file.tls;
    this.#certificate = certificate;
    this.#material = composePortTls(parts.agent, this.#apf, certificate);
  }

  /** In force. */
  get material(): ServerTls {
    return this.#material;
  }

  /** Begins to look for new material; each that can be used goes to the port. */
  keepCurrent(port: TlsPort): void {
    const { log, signal } = this.#parts;
    for (const watch of [this.#watchApfFile(port), this.#renewCertificate(port)]) {
      watch.catch((error: unknown) => {
        if (!signal.aborted) log.error("the port's TLS material is not kept current any more", { error });
      });
    }
  }

  async #watchApfFile(port: TlsPort): Promise<never> {
    const { agent, apf, timing, log, signal } = this.#parts;
    for (let seen = apf.version; ; ) {
      await timing.sleep(pollMs, signal);
      const version = fileVersion(agent.apfFile);
      if (version === seen) continue;
      seen = version;
      try {
        this.#replace(port, readApfFile(agent).file.tls, this.#certificate);
      } catch (error) {
        log.warn("apf.json has changed and can't be used; the port keeps its TLS material", { error });
      }
    }
  }

  async #renewCertificate(port: TlsPort): Promise<void> {
    const { agent, hub, timing, log, signal } = this.#parts;
    if (this.#certificate === undefined) return;
    let pauseMs = renewalPauseMs(this.#certificate, timing);
    for (let failures = 0; ; ) {
      await timing.sleep(pauseMs, signal);
      try {
        const certificate = (await fetchServerCertificate(agent, hub, signal)) ?? this.#certificate;
        this.#replace(port, this.#apf, certificate);
        failures = 0;
        pauseMs = renewalPauseMs(certificate, timing);
      } catch (error) {
        signal.throwIfAborted();
        pauseMs = Math.min(firstRetryMs * 2 ** failures, maxRetryMs);
        failures += 1;
        log.warn("the port's certificate can't be renewed; it keeps the one that it has", { error, failures });
      }
    }
  }

  #replace(port: TlsPort, apf: ApfTls, certificate: ServerCertificate | undefined): void {
    const tls = composePortTls(this.#parts.agent, apf, certificate);
    if (!isDeepStrictEqual(tls, this.#material)) {
      port.replaceTls(tls);
      const { fingerprint256, validTo } = new X509Certificate(tls.cert);
      this.#parts.log.info("TLS material replaced", { certificate: fingerprint256, validTo });
    }
    this.#material = tls;
    this.#apf = apf;
    this.#certificate = certificate;
  }
}

/** Milliseconds until a certificate is fetched anew. The host's clock can hurry it, but not put it off for more than a day. */
function renewalPauseMs({ cert }: ServerCertificate, timing: Timing): number {
  const leftMs = new X509Certificate(cert).validToDate.getTime() - timing.epochSeconds() * 1000;
  return Math.min(Math.max(leftMs * renewalShare, minRenewalMs), maxRenewalMs);
}
