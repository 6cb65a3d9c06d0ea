import { posix } from "node:path";
import { GuestError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../../core/json.ts";
import type { DiskAddress } from "../../runtime/data-disks/disk-candidates.ts";
import { refusal } from "../errors.ts";
import { maxAnnotationLength, maxCloudVolumes } from "../limits.ts";

/** Annotation by which cloud-api-adaptor hands over the cloud's disks (spec/forwarder.md 6.3). */
export const cloudVolumesAnnotation = "io.confidentialcontainers.org.cloud_volumes";

/** An encrypted disk of the cloud. */
export interface CloudVolume {
  /** A plain name; directory and mapping are named after it. */
  readonly name: string;
  /** Destination of the container's mount that the volume is for; absolute, in its shortest form. */
  readonly mountPoint: string;
  readonly disk: DiskAddress;
  /** Where its key is: `kbs:///repository/type/tag`. */
  readonly keyUri: string;
  /** Group that the volume belongs to, for pods with an fsGroup. */
  readonly groupId: number | undefined;
}

const members = ["mount_point", "fs_type", "lun", "disk_id", "fs_group", "encrypt_type", "key_id"] as const;
type Members = Readonly<Record<(typeof members)[number], string>>;

/** With its prefix it also has to be the name of a mapping. */
const volumeName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/u;
/** A resource of the key broker (spec/cdh.md 5). */
const keyId = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}(?:\/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}){2}$/u;

/**
 * Reads the annotation: JSON, `{name: {mount_point, fs_type, lun, disk_id, fs_group, encrypt_type, key_id}}`, all values text, an
 * empty one as good as none (spec/forwarder.md 5.1, step 2). Stricter: members that are not known are errors, and so is a volume
 * without encryption (threats 115, 117).
 *
 * @param text absent: no volumes
 * @returns by name
 * @throws GuestError `invalid-argument` naming the volume and the member; `permission-denied` for a volume without encryption
 */
export function parseCloudVolumes(text: string | undefined): readonly CloudVolume[] {
  if (text === undefined) return [];
  const entries = Object.entries(parseAnnotation(text));
  if (entries.length > maxCloudVolumes)
    throw new GuestError("invalid-argument", `more than ${maxCloudVolumes} volumes`);
  const volumes = entries.map(([name, value]) => parseVolume(name, value));
  const places = new Set(volumes.map(({ mountPoint }) => mountPoint));
  if (places.size < volumes.length) throw new GuestError("invalid-argument", "two cloud volumes have one mount_point");
  return volumes.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function parseAnnotation(text: string): JsonObject {
  const corrupt = (cause?: unknown): GuestError =>
    new GuestError("invalid-argument", "corrupt cloud_volumes annotation (pod would start without volumes)", { cause });
  let value: JsonValue;
  try {
    value = parseJson(text, { maxLength: maxAnnotationLength, maxDepth: 3 });
  } catch (error) {
    throw corrupt(error);
  }
  if (!isJsonObject(value)) throw corrupt();
  return value;
}

function parseVolume(name: string, value: JsonValue): CloudVolume {
  if (!volumeName.test(name)) {
    throw new GuestError("invalid-argument", "cloud volume with unsafe name", { fields: { name } });
  }
  const volume = membersOf(name, value);
  const mountPoint = posix.normalize(volume.mount_point).replace(/(?<=.)\/$/u, "");
  const isPlace =
    mountPoint.startsWith("/") && mountPoint !== "/" && !/\0|(?:^|\/)\.\.(?:\/|$)/u.test(volume.mount_point);
  if (!isPlace) throw malformed(name, "mount_point");
  if (!/^(?:0|[1-9]\d{0,3})$/u.test(volume.lun)) throw malformed(name, "lun");
  if (!/^[\x21-\x7e]{0,1024}$/u.test(volume.disk_id)) throw malformed(name, "disk_id");
  if (volume.fs_type !== "" && volume.fs_type !== "ext4") throw malformed(name, "fs_type (only ext4 can be mounted)");
  return {
    name,
    mountPoint,
    disk: { lun: Number(volume.lun), diskId: volume.disk_id === "" ? undefined : volume.disk_id },
    keyUri: keyUriOf(name, volume),
    groupId: groupOf(name, volume),
  };
}

function membersOf(name: string, value: JsonValue): Members {
  if (!isJsonObject(value)) throw malformed(name, "value");
  const unknown = Object.keys(value).find((member) => !members.some((known) => known === member));
  if (unknown !== undefined) throw malformed(name, `member ${JSON.stringify(unknown.slice(0, 64))}`);
  const text = (member: (typeof members)[number]): string => {
    const found = value[member] ?? "";
    if (typeof found !== "string") throw malformed(name, member);
    return found;
  };
  return {
    mount_point: text("mount_point"),
    fs_type: text("fs_type"),
    lun: text("lun"),
    disk_id: text("disk_id"),
    fs_group: text("fs_group"),
    encrypt_type: text("encrypt_type"),
    key_id: text("key_id"),
  };
}

/** A host could read and change a disk without encryption, and feed the kernel a file system of its making. */
function keyUriOf(name: string, { encrypt_type, key_id }: Members): string {
  if (encrypt_type === "") {
    throw refusal(`cloud volume ${name} is not encrypted: only LUKS2 volumes with encrypt_type and key_id are mounted`);
  }
  if (encrypt_type !== "luks" && encrypt_type !== "luks2") throw malformed(name, "encrypt_type");
  if (!keyId.test(key_id)) throw malformed(name, "key_id");
  return `kbs:///${key_id}`;
}

function groupOf(name: string, { fs_group }: Members): number | undefined {
  if (fs_group === "") return undefined;
  const group = Number(fs_group);
  if (!/^\d{1,10}$/u.test(fs_group) || group > 0xffff_fffe) throw malformed(name, "fs_group");
  return group;
}

function malformed(name: string, member: string): GuestError {
  return new GuestError("invalid-argument", `cloud volume ${name}: malformed ${member}`);
}
