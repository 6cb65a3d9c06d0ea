import { afterEach } from "vitest";
import { silentLog } from "../../guest/core/log.ts";
import {
  backgroundCheck,
  createKbsClient,
  createTransport,
  type EvidenceProvider,
  type HandshakeOptions,
  parseBrokerUrl,
  type ResourceProvider,
} from "../../guest/kbs/index.ts";
import { type EmbeddedKbs, type KbsOptions, startKbs } from "./embedded/embedded-kbs.ts";
import { FakeTiming } from "./timing.ts";

/** Never aborted. */
export const forever = new AbortController().signal;

/** Evidence of the sample TEE as the protocol needs it, without going through guest/attest. */
export const sampleEvidence: EvidenceProvider = {
  tee: "sample",
  getEvidence: async (data) => JSON.stringify({ svn: "1", report_data: Buffer.from(data).toString("base64") }),
  getAdditionalEvidence: async () => "",
};

/** A broker and a client of it. */
export interface World {
  readonly kbs: EmbeddedKbs;
  readonly client: ResourceProvider;
  readonly timing: FakeTiming;
  readonly handshake: HandshakeOptions;
  /** How many requests came to a step (the last part of the path of `auth` and `attest`, else `resource`). */
  count(step: "auth" | "attest" | "resource"): number;
}

/** Starts a broker and connects a client in background-check mode; both are closed after the test. */
export async function createWorld(
  kbsOptions: KbsOptions = {},
  clientOptions: Partial<Pick<HandshakeOptions, "evidence" | "keyAlgorithm" | "initData">> = {},
): Promise<World> {
  const kbs = await startKbs(kbsOptions);
  open.push(kbs);
  const timing = new FakeTiming();
  const transport = createTransport({ url: parseBrokerUrl(kbs.url), certificate: kbs.certificate });
  open.push(transport);
  const handshake: HandshakeOptions = {
    transport,
    evidence: sampleEvidence,
    keyAlgorithm: "ECDH-ES+A256KW-P256",
    initData: undefined,
    timing,
    ...clientOptions,
  };
  const openSession = backgroundCheck(handshake);
  const client = createKbsClient({ transport, openSession, timing, log: silentLog, lifetime: forever });
  const count = (step: string): number => kbs.requests.filter(({ path }) => path.startsWith(`/kbs/v0/${step}`)).length;
  return { kbs, client, timing, handshake, count };
}

const open: { close(): void | Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((opened) => opened.close()));
});
