import { isJsonArray, isJsonObject, type JsonValue } from "../../core/json.ts";
import { maxDerivationIterations, maxDerivationKib, maxDerivationRounds } from "./limits.ts";
import { type LuksHeader, refusal } from "./luks-header.ts";

/** What a volume must be, whatever its header says. */
export interface HeaderDemands {
  /** dm-integrity below the encryption. */
  readonly integrity: boolean;
  /** Most memory that deriving the key may take, in KiB. */
  readonly maxDerivationKib: number;
}

const cipher = "aes-xts-plain64";
const cipherKeyBytes = 64;
/** With a key of 32 bytes for HMAC-SHA-256. */
const integrityCipherKeyBytes = 96;
const sectorSizes = [512, 1024, 2048, 4096];
const maxKeySlots = 32;

/** A short one, such as crc32, leaves a key so few possible values that a host can bet on one. */
const hashes = ["sha256", "sha384", "sha512"];

/** Flags that change speed, or what is told to the disk, but not what is believed of it. */
const harmlessFlags = [
  "allow-discards",
  "same-cpu-crypt",
  "submit-from-crypt-cpus",
  "no-read-workqueue",
  "no-write-workqueue",
];

/**
 * Judges a header's metadata (LUKS2 On-Disk Format 1.1.4, 3) before cryptsetup sees it. Whoever has the disk can write any header;
 * one that names no cipher opens with every key, and what the guest writes then is plain (CVE-2025-59054, threat model row 113). What
 * passes here is one segment under AES-XTS whose key only the right passphrase unwraps.
 *
 * @returns where the data begin, in bytes; the header and its key slots are before that
 * @throws GuestError `failed-precondition` naming the member
 */
export function judgeHeader({ headerBytes, metadata }: LuksHeader, demands: HeaderDemands): number {
  const root = membersOf(metadata, "header", ["keyslots", "tokens", "segments", "digests", "config"]);
  demand(entriesOf(root.get("tokens"), "tokens").length === 0, "tokens");
  const { dataOffset, keyBytes } = judgeSegment(root.get("segments"), demands);
  judgeConfiguration(root.get("config"), dataOffset - 2 * headerBytes);
  judgeDigest(root.get("digests"));
  const slots = entriesOf(root.get("keyslots"), "keyslots");
  demand(slots.length > 0 && slots.length <= maxKeySlots, "keyslots");
  for (const [, slot] of slots)
    judgeKeySlot(slot, { keyBytes, from: 2 * headerBytes, to: dataOffset, maxKib: demands.maxDerivationKib });
  return dataOffset;
}

/** Exactly one segment; a second one would belong to a re-encryption that is under way. */
function judgeSegment(
  value: JsonValue | undefined,
  { integrity }: HeaderDemands,
): { dataOffset: number; keyBytes: number } {
  const [first, ...others] = entriesOf(value, "segments");
  demand(first?.[0] === "0" && others.length === 0, "segments");
  const segment = membersOf(
    first?.[1],
    "segment",
    ["type", "offset", "size", "iv_tweak", "encryption", "sector_size"],
    ["integrity"],
  );
  demand(segment.get("type") === "crypt", "segment.type");
  demand(segment.get("size") === "dynamic", "segment.size");
  demand(segment.get("iv_tweak") === "0", "segment.iv_tweak");
  demand(segment.get("encryption") === cipher, "segment.encryption");
  demand(
    sectorSizes.some((size) => size === segment.get("sector_size")),
    "segment.sector_size",
  );
  const isProtected = segment.has("integrity");
  if (isProtected) judgeIntegrity(segment.get("integrity"));
  demand(isProtected || !integrity, "segment.integrity");
  return {
    dataOffset: byteCount(segment.get("offset"), "segment.offset"),
    keyBytes: isProtected ? integrityCipherKeyBytes : cipherKeyBytes,
  };
}

function judgeIntegrity(value: JsonValue | undefined): void {
  const integrity = membersOf(value, "integrity", ["type", "journal_encryption", "journal_integrity"], ["key_size"]);
  demand(integrity.get("type") === "hmac(sha256)", "integrity.type");
  demand(integrity.get("journal_encryption") === "none", "integrity.journal_encryption");
  demand(integrity.get("journal_integrity") === "none", "integrity.journal_integrity");
  demand(!integrity.has("key_size") || integrity.get("key_size") === 32, "integrity.key_size");
}

/** No requirement is known here: each of them changes how the device is read. */
function judgeConfiguration(value: JsonValue | undefined, roomForKeySlots: number): void {
  const config = membersOf(value, "config", ["json_size", "keyslots_size"], ["flags", "requirements"]);
  byteCount(config.get("json_size"), "config.json_size");
  demand(byteCount(config.get("keyslots_size"), "config.keyslots_size") <= roomForKeySlots, "config.keyslots_size");
  const flags = config.get("flags") ?? [];
  demand(isJsonArray(flags) && flags.every((flag) => harmlessFlags.some((known) => known === flag)), "config.flags");
  const requirements = membersOf(config.get("requirements") ?? {}, "requirements", [], ["mandatory"]);
  const mandatory = requirements.get("mandatory") ?? [];
  demand(isJsonArray(mandatory) && mandatory.length === 0, "config.requirements");
}

/** The digest proves a passphrase right; a cheap one costs a guess less, and keys of volumes aren't guessed. */
function judgeDigest(value: JsonValue | undefined): void {
  const [first, ...others] = entriesOf(value, "digests");
  demand(first !== undefined && others.length === 0, "digests");
  const names = ["type", "keyslots", "segments", "hash", "iterations", "salt", "digest"];
  const digest = membersOf(first?.[1], "digest", names);
  const segments = digest.get("segments");
  demand(isJsonArray(segments) && segments.length === 1 && segments[0] === "0", "digest.segments");
  demand(digest.get("type") === "pbkdf2", "digest.type");
  demand(isKnownHash(digest.get("hash")), "digest.hash");
  demand(isWithin(digest.get("iterations"), maxDerivationIterations), "digest.iterations");
}

interface SlotDemands {
  readonly keyBytes: number;
  /** The area of key slots in the header. */
  readonly from: number;
  readonly to: number;
  readonly maxKib: number;
}

/** A slot under another cipher than the volume's gives its key away: then the host knows it, too. */
function judgeKeySlot(value: JsonValue | undefined, { keyBytes, from, to, maxKib }: SlotDemands): void {
  const slot = membersOf(value, "keyslot", ["type", "key_size", "af", "area", "kdf"], ["priority"]);
  demand(slot.get("type") === "luks2", "keyslot.type");
  demand(slot.get("key_size") === keyBytes, "keyslot.key_size");
  const splitter = membersOf(slot.get("af"), "keyslot.af", ["type", "stripes", "hash"]);
  demand(splitter.get("type") === "luks1" && splitter.get("stripes") === 4000, "keyslot.af");
  demand(isKnownHash(splitter.get("hash")), "keyslot.af.hash");
  const area = membersOf(slot.get("area"), "keyslot.area", ["type", "offset", "size", "encryption", "key_size"]);
  demand(area.get("type") === "raw", "keyslot.area.type");
  demand(area.get("encryption") === cipher, "keyslot.area.encryption");
  demand(area.get("key_size") === cipherKeyBytes, "keyslot.area.key_size");
  const start = byteCount(area.get("offset"), "keyslot.area.offset");
  const size = byteCount(area.get("size"), "keyslot.area.size");
  demand(start >= from && start + size <= to, "keyslot.area");
  judgeDerivation(slot.get("kdf"), maxKib);
}

/** The header comes from the host and decides what opening costs. */
function judgeDerivation(value: JsonValue | undefined, maxKib: number): void {
  const all = membersOf(value, "keyslot.kdf", ["type", "salt"], ["hash", "iterations", "time", "memory", "cpus"]);
  if (all.get("type") === "pbkdf2") {
    demand(isKnownHash(all.get("hash")), "keyslot.kdf.hash");
    demand(isWithin(all.get("iterations"), maxDerivationIterations), "keyslot.kdf.iterations");
    return;
  }
  demand(all.get("type") === "argon2id" || all.get("type") === "argon2i", "keyslot.kdf.type");
  demand(isWithin(all.get("time"), maxDerivationRounds), "keyslot.kdf.time");
  demand(isWithin(all.get("memory"), Math.min(maxKib, maxDerivationKib)), "keyslot.kdf.memory");
  demand(isWithin(all.get("cpus"), 4), "keyslot.kdf.cpus");
}

function entriesOf(value: JsonValue | undefined, name: string): [string, JsonValue][] {
  if (!isJsonObject(value)) throw refusal(`the LUKS2 header has no usable ${name}`);
  return Object.entries(value);
}

/** The members of an object that has all of `required`, perhaps some of `optional`, and nothing else. */
function membersOf(
  value: JsonValue | undefined,
  name: string,
  required: readonly string[],
  optional: readonly string[] = [],
): ReadonlyMap<string, JsonValue> {
  const members = new Map(entriesOf(value, name));
  for (const member of required) demand(members.has(member), `${name}.${member}`);
  for (const member of members.keys())
    demand(required.includes(member) || optional.includes(member), `${name}.${member}`);
  return members;
}

/** The format writes 64-bit numbers as text. */
function byteCount(value: JsonValue | undefined, name: string): number {
  if (typeof value !== "string" || !/^(?:0|[1-9]\d{0,14})$/.test(value)) throw notAccepted(name);
  return Number(value);
}

function isWithin(value: JsonValue | undefined, max: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max;
}

function isKnownHash(value: JsonValue | undefined): boolean {
  return hashes.some((hash) => hash === value);
}

function demand(condition: boolean, name: string): void {
  if (!condition) throw notAccepted(name);
}

function notAccepted(name: string): Error {
  return refusal(`the LUKS2 header's ${name.slice(0, 100)} is not one that is accepted`);
}
