import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import type { DeviceNumber } from "../../sys/file-status.ts";
import type { SecureVolume } from "../data-hub/data-hub.ts";

/** What SecureMount is asked for, checked (spec/secure-mount.md 2). */
export interface BlockVolume {
  readonly device: { readonly number: DeviceNumber } | { readonly path: string };
  /** `empty`: formatted with a key that nobody keeps. `encrypted`: opened with a key that somebody else keeps. */
  readonly source: "empty" | "encrypted";
  /** A link to the opened device, or its file system. */
  readonly target: "device" | "fileSystem";
  /** Where the key is; only for `encrypted`, and always then. */
  readonly key: string | undefined;
  /** `empty`: protect against changes. `encrypted`: the header must promise it. */
  readonly integrity: boolean;
  readonly mkfsOptions: readonly string[];
  /** Below /dev/mapper; undefined: one of our own. */
  readonly mapperName: string | undefined;
  /** Absolute, in its shortest form. */
  readonly mountPoint: string;
}

/** Each with its argument, if it takes one. Others could name files or move what has to be zeroed before (section 3.5). */
const mkfsSwitches: ReadonlyMap<string, RegExp> = new Map([
  ["-E", /^lazy_journal_init(?:=[01])?$/],
  ["-O", /^\^has_journal$/],
  ["-m", /^(?:[0-9]|[1-4][0-9]|50)$/],
  ["-i", /^[1-9][0-9]{3,7}$/],
  ["-I", /^(?:128|256)$/],
]);

/**
 * Reads the options of a block device. As in the reference every value is text, names are case-sensitive, unknown ones mean
 * nothing. Stricter: an `empty` device takes no key, since its header is lost with the VM and the data with it (section 3.7), and
 * integrity must be declined in so many words.
 *
 * @throws GuestError `unimplemented` for a type of volume or encryption that is not built in, `invalid-argument` naming the option
 */
export function parseBlockVolume({ type, options, mountPoint }: SecureVolume): BlockVolume {
  if (type !== "block-device") throw unsupported("volume_type", type);
  const option = optionReader(options);
  const encryption = option("encryptionType");
  if (encryption === "zfs") throw unsupported("encryptionType", encryption);
  if (encryption !== "luks2") throw invalid("encryptionType");
  if ((option("filesystemType") ?? "ext4") !== "ext4") throw invalid("filesystemType");
  const source = oneOf(option("sourceType"), "sourceType", ["empty", "encrypted"]);
  const key = option("key");
  if (source === "empty" && key !== undefined) throw keptKeyOfEmptyDevice();
  if (source === "encrypted" && key === undefined) throw invalid("key");
  const integrity = option("dataIntegrity");
  return {
    device: deviceOf(option("deviceId"), option("devicePath")),
    source,
    target: oneOf(option("targetType"), "targetType", ["device", "fileSystem"]),
    key,
    integrity: source === "empty" ? integrity !== "false" : integrity === "true",
    mkfsOptions: parseMkfsOptions(option("mkfsOpts") ?? ""),
    mapperName: mapperNameOf(option("mapperName")),
    mountPoint: mountPointOf(mountPoint),
  };
}

/** Looks only at what the request has itself. */
function optionReader(options: SecureVolume["options"]): (name: string) => string | undefined {
  const own = new Map(Object.entries(options));
  return (name) => own.get(name);
}

function deviceOf(number: string | undefined, path: string | undefined): BlockVolume["device"] {
  if (number !== undefined) {
    const [, major, minor] = /^(\d{1,4}):(\d{1,7})$/.exec(number) ?? [];
    if (major === undefined || minor === undefined) throw invalid("deviceId");
    return { number: { major: Number(major), minor: Number(minor) } };
  }
  if (path === undefined) throw new GuestError("invalid-argument", "either deviceId or devicePath must be given");
  if (!isPlainPath(path) || !path.startsWith("/dev/")) throw invalid("devicePath");
  return { path };
}

function parseMkfsOptions(text: string): string[] {
  const words = text.split(/\s+/).filter((word) => word !== "");
  for (let index = 0; index < words.length; index += 2) {
    const argument = mkfsSwitches.get(words[index] ?? "");
    if (argument?.test(words[index + 1] ?? "") !== true) throw invalid("mkfsOpts");
  }
  return words;
}

/** A plain name, which cryptsetup can take for neither an option nor a path (threat model row 131). */
function mapperNameOf(name: string | undefined): string | undefined {
  if (name !== undefined && !/^(?!control$)[A-Za-z0-9][A-Za-z0-9._-]{0,119}$/.test(name)) throw invalid("mapperName");
  return name;
}

/** The Kata agent writes a slash at the end. */
function mountPointOf(path: string): string {
  const shortened = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  if (!isPlainPath(shortened)) throw invalid("mount_point");
  return shortened;
}

function isPlainPath(path: string): boolean {
  const isShortest = path.startsWith("/") && path !== "/" && posix.normalize(path) === path && !path.endsWith("/");
  return isShortest && !path.includes("\0") && path.length <= 4095;
}

function oneOf<T extends string>(value: string | undefined, option: string, known: readonly T[]): T {
  const found = known.find((candidate) => candidate === value);
  if (found === undefined) throw invalid(option);
  return found;
}

function invalid(option: string): GuestError {
  return new GuestError("invalid-argument", `SecureMount: option ${option} is missing or not one of its values`);
}

function unsupported(option: string, value: string): GuestError {
  return new GuestError("unimplemented", `SecureMount: ${option} is not supported`, { fields: { value } });
}

function keptKeyOfEmptyDevice(): GuestError {
  const problem =
    "SecureMount: an empty device takes no key: what is formatted here can't be opened again; format it elsewhere, as encrypted";
  return new GuestError("invalid-argument", problem);
}
