import { GuestError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { decodeUtf8 } from "../core/utf8.ts";

/** What a CopyFile makes. `Unknown` is refused by the executor: the reference makes directories of devices and sockets. */
export type CopiedFileType = "Regular" | "Directory" | "Symlink" | "Unknown";

const fileTypeMask = 0o170000;
const fileTypes: ReadonlyMap<number, CopiedFileType> = new Map([
  [0o100000, "Regular"],
  [0o040000, "Directory"],
  [0o120000, "Symlink"],
]);

/**
 * The type of file that a mode asks for, by exact comparison of the type bits. The policy and the executor both ask this
 * function, so that what was judged is what is made (spec/policy-enforcement.md 3.4).
 *
 * @param fileMode `st_mode` with its type bits
 */
export function copiedFileType(fileMode: number): CopiedFileType {
  return fileTypes.get(fileMode & fileTypeMask) ?? "Unknown";
}

/** The members of a decoded CopyFileRequest. */
interface CopyFileMessage {
  readonly path: string;
  readonly file_size: bigint;
  readonly file_mode: number;
  readonly dir_mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly offset: bigint;
  readonly data: Uint8Array;
}

/**
 * The reduced input of CopyFile: the data is never shown, except as the target of a link.
 *
 * @param message a decoded grpc.CopyFileRequest
 * @throws GuestError `internal` when a link's target is not text
 */
export function copyFileInput(message: unknown): JsonObject {
  // The caller found the message's schema to be grpc.CopyFileRequest.
  const request = message as CopyFileMessage;
  const fileType = copiedFileType(request.file_mode);
  const input: Record<string, JsonValue> = Object.create(null);
  input["path"] = request.path;
  input["file_type"] = fileType;
  input["symlink_target"] = fileType === "Symlink" ? linkTarget(request.data) : null;
  input["file_size"] = request.file_size;
  input["file_mode"] = request.file_mode;
  input["dir_mode"] = request.dir_mode;
  input["uid"] = request.uid;
  input["gid"] = request.gid;
  input["offset"] = request.offset;
  return input;
}

function linkTarget(data: Uint8Array): string {
  try {
    return decodeUtf8(data, "symlink target");
  } catch (cause) {
    throw new GuestError("internal", "parsing CopyFileRequest for policy", {
      cause,
      peerMessage: "parsing CopyFileRequest for policy\n\nCaused by:\n    invalid symlink content",
    });
  }
}
