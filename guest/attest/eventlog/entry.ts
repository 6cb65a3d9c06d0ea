import { createHash } from "node:crypto";
import { GuestError } from "../../core/errors.ts";

/** Algorithms of event logs by their TCG numbers (spec/attestation-agent.md 6.2, 6.4). */
export const digestAlgorithms = [
  { id: 0x000b, name: "sha256", bytes: 32 },
  { id: 0x000c, name: "sha384", bytes: 48 },
  { id: 0x000d, name: "sha512", bytes: 64 },
  { id: 0x0012, name: "sm3", bytes: 32 },
] as const;

/** A hash that events are measured with. */
export type EventHash = (typeof digestAlgorithms)[number]["name"];

/** An event of an application: three texts. */
export interface AgentEvent {
  readonly domain: string;
  readonly operation: string;
  readonly content: string;
}

const eventTagType = 6;
/** "AAEL", on disk the other way round. */
const agentTag = 0x4141454c;
const maxEventBytes = 1024 * 1024;

/**
 * The event's data: tag, length, and `domain operation content` (spec/attestation-agent.md 6.2). It is what is hashed.
 *
 * @throws GuestError `invalid-argument` when the text could be read as another event: a newline, or a blank in the first two words
 */
export function encodeEventData({ domain, operation, content }: AgentEvent): Uint8Array {
  if (content.includes("\n")) throw new GuestError("invalid-argument", "content contains newline");
  if (!/^[^\s]+$/.test(domain) || !/^[^\s]+$/.test(operation)) {
    throw new GuestError("invalid-argument", "domain and operation are words without blanks");
  }
  const text = Buffer.from(`${domain} ${operation} ${content}`);
  if (text.length > maxEventBytes) throw new GuestError("invalid-argument", "event is too long");
  const header = Buffer.alloc(8);
  header.writeUInt32LE(agentTag, 0);
  header.writeUInt32LE(text.length, 4);
  return Buffer.concat([header, text]);
}

/** The digest that a register is extended by. */
export function digestEvent(data: Uint8Array, hash: EventHash): Uint8Array {
  return createHash(hash).update(data).digest();
}

/**
 * An entry of the log: TCG_PCR_EVENT2 of type EV_EVENT_TAG with one digest, little-endian.
 *
 * @param registerIndex as logs number it: the CC register on TDX, the PCR on a TPM
 */
export function encodeEntry(registerIndex: number, data: Uint8Array, hash: EventHash): Uint8Array {
  const algorithm = digestAlgorithms.find(({ name }) => name === hash);
  if (algorithm === undefined) throw new TypeError(`no TCG number for ${hash}`);
  const header = Buffer.alloc(14);
  header.writeUInt32LE(registerIndex, 0);
  header.writeUInt32LE(eventTagType, 4);
  header.writeUInt32LE(1, 8);
  header.writeUInt16LE(algorithm.id, 12);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(data.length, 0);
  return Buffer.concat([header, digestEvent(data, hash), size, data]);
}

/** The value of a register after it was extended. */
export function extendValue(current: Uint8Array, digest: Uint8Array, hash: EventHash): Uint8Array {
  return createHash(hash).update(current).update(digest).digest();
}
