import { randomUUID } from "node:crypto";
import { posix } from "node:path";
import { GuestError } from "../core/errors.ts";
import { copiedFileType } from "../policy/copy-file-input.ts";
import type { CopyFileRequest } from "../rpc/messages/agent.ts";
import type { GuestPaths } from "../runtime/guest-paths.ts";
import { maxPathBytes } from "../runtime/limits.ts";
import { changeDescriptorMode, changeDescriptorOwner, closeDescriptor, writeDescriptor } from "../sys/descriptor.ts";
import { Directory } from "../sys/directory.ts";
import { isErrno } from "../sys/system-error.ts";
import { refusal } from "./errors.ts";
import { maxCopyDepth, maxOpenUploads, uploadIdleMs } from "./limits.ts";

/** What an entry costs of the quota besides its bytes: inodes and names are memory, too. */
const entryOverheadBytes = 4096;

/** A regular file of which not all pieces have come. */
interface Upload {
  readonly temporaryName: string;
  readonly sizeBytes: bigint;
  receivedBytes: bigint;
  lastPieceAt: number;
}

/**
 * Takes in the files that the host copies (spec/agent-rpc.md 6.8). The host chooses paths, contents, owners and order, and
 * containers can write to some of the directories: so every path is resolved beneath the one shared directory without following
 * links or crossing mounts, new content appears by an atomic rename, and all of it counts against a quota (threats 51 to 53).
 */
export class FileReceiver {
  readonly #paths: GuestPaths;
  readonly #quotaBytes: number;
  readonly #now: () => number;
  /** By path below the shared directory, the longest untouched first. */
  readonly #uploads = new Map<string, Upload>();
  #usedBytes = 0;

  constructor(paths: GuestPaths, quotaBytes: number, now: () => number) {
    this.#paths = paths;
    this.#quotaBytes = quotaBytes;
    this.#now = now;
  }

  /**
   * Takes a file, a piece of one, a directory or a link.
   *
   * @throws GuestError `permission-denied` for a path or kind of file that no host may choose, `invalid-argument` for pieces that do
   *   not fit, `resource-exhausted` above the quota, `internal` with the reference's words for a path elsewhere
   */
  receive(request: CopyFileRequest): void {
    const path = relativePathOf(request, this.#paths.sharedContainers);
    requireOwner(request);
    try {
      using root = Directory.open(this.#paths.sharedContainers);
      using uploads = Directory.open(this.#paths.uploads);
      this.#dropIdleUploads(uploads);
      this.#place(request, path, root, uploads);
    } catch (error) {
      if (!isErrno(error, "ELOOP", "EXDEV")) throw error;
      throw new GuestError("permission-denied", "path leads through a link or mount", {
        cause: error,
        fields: { path },
      });
    }
  }

  #place(request: CopyFileRequest, path: string, root: Directory, uploads: Directory): void {
    const type = copiedFileType(request.file_mode);
    switch (type) {
      case "Directory":
        this.#charge(entryOverheadBytes);
        this.#makeParents(request, path, root);
        placeDirectory(request, path, root);
        break;
      case "Symlink":
        this.#charge(entryOverheadBytes + request.data.byteLength);
        this.#makeParents(request, path, root);
        placeLink(request, path, root, uploads);
        break;
      case "Regular":
        this.#takePiece(request, path, root, uploads);
        break;
      case "Unknown":
        throw refusal("only files, directories and links can be copied", { mode: request.file_mode });
    }
  }

  /** Takes the next piece of a file, and puts the file in its place when it was the last. */
  #takePiece(request: CopyFileRequest, path: string, root: Directory, uploads: Directory): void {
    const upload = this.#uploadFor(request, path, root, uploads);
    this.#charge(request.data.byteLength);
    const fd = uploads.openFileForWriting(upload.temporaryName);
    try {
      this.#writePiece(fd, request, path, uploads);
      upload.receivedBytes += BigInt(request.data.byteLength);
      upload.lastPieceAt = this.#now();
      if (upload.receivedBytes < upload.sizeBytes) return;
      changeDescriptorOwner(fd, request.uid, request.gid);
      changeDescriptorMode(fd, request.file_mode & 0o777);
    } finally {
      closeDescriptor(fd);
    }
    this.#refund(replace(uploads, upload.temporaryName, root, path));
    this.#uploads.delete(path);
  }

  /** What is there of a file that the disk is too small for is removed at once: it would keep the room from others. */
  #writePiece(fd: number, { data, offset }: CopyFileRequest, path: string, uploads: Directory): void {
    try {
      writeDescriptor(fd, data, Number(offset));
    } catch (error) {
      this.#refund(data.byteLength);
      this.#dropUpload(path, uploads);
      throw error;
    }
  }

  #uploadFor(request: CopyFileRequest, path: string, root: Directory, uploads: Directory): Upload {
    const { offset, file_size: sizeBytes, data } = request;
    if (sizeBytes < 0n || sizeBytes > BigInt(this.#quotaBytes)) throw tooMuch();
    if (offset < 0n || offset + BigInt(data.byteLength) > sizeBytes) throw misfit();
    if (offset === 0n) return this.#startUpload(request, path, root, uploads);
    const upload = this.#uploads.get(path);
    if (upload === undefined || upload.receivedBytes !== offset || upload.sizeBytes !== sizeBytes) throw misfit();
    return upload;
  }

  #startUpload(request: CopyFileRequest, path: string, root: Directory, uploads: Directory): Upload {
    this.#dropUpload(path, uploads);
    const [oldest] = this.#uploads.keys();
    if (this.#uploads.size >= maxOpenUploads && oldest !== undefined) this.#dropUpload(oldest, uploads);
    this.#charge(entryOverheadBytes);
    this.#makeParents(request, path, root);
    const upload = {
      temporaryName: randomUUID(),
      sizeBytes: request.file_size,
      receivedBytes: 0n,
      lastPieceAt: this.#now(),
    };
    closeDescriptor(uploads.createFile(upload.temporaryName));
    this.#uploads.set(path, upload);
    return upload;
  }

  /** Missing directories above get the request's mode; the one right above gets its owner, too, even if it was there. */
  #makeParents(request: CopyFileRequest, path: string, root: Directory): void {
    const parent = posix.dirname(path);
    if (parent === ".") return;
    if (root.statusIfPresent(parent) === undefined) this.#charge(entryOverheadBytes * parent.split("/").length);
    root.makeDirectories(parent, request.dir_mode & 0o777);
    root.changeOwner(parent, request.uid, request.gid);
  }

  #dropUpload(path: string, uploads: Directory): void {
    const upload = this.#uploads.get(path);
    if (upload === undefined) return;
    this.#uploads.delete(path);
    uploads.removeTree(upload.temporaryName);
    this.#refund(Number(upload.receivedBytes) + entryOverheadBytes);
  }

  #dropIdleUploads(uploads: Directory): void {
    const oldest = this.#now() - uploadIdleMs;
    for (const [path, { lastPieceAt }] of this.#uploads) if (lastPieceAt < oldest) this.#dropUpload(path, uploads);
  }

  #charge(bytes: number): void {
    if (this.#usedBytes + bytes > this.#quotaBytes) throw tooMuch();
    this.#usedBytes += bytes;
  }

  #refund(bytes: number): void {
    this.#usedBytes = Math.max(0, this.#usedBytes - bytes);
  }
}

function relativePathOf({ path }: CopyFileRequest, root: string): string {
  if (!path.startsWith(`${root}/`)) {
    throw new GuestError("internal", `removing "${root}/" prefix from ${path.slice(0, 256)}`);
  }
  const relative = path.slice(root.length + 1);
  const steps = relative.split("/");
  const unclean = steps.some((step) => step === "" || step === "." || step === "..") || path.includes("\0");
  if (unclean || Buffer.byteLength(path) > maxPathBytes) throw refusal("path is not in its shortest form");
  if (steps.length > maxCopyDepth) throw refusal("path is too deep");
  return relative;
}

/** Ids are signed on the wire; -1 would mean "leave as it is" to the kernel. */
function requireOwner({ uid, gid }: CopyFileRequest): void {
  if (uid < 0 || gid < 0) throw new GuestError("invalid-argument", "owner is out of range");
}

function placeDirectory(request: CopyFileRequest, path: string, root: Directory): void {
  const kind = root.statusIfPresent(path)?.kind;
  if (kind !== undefined && kind !== "directory") root.unlink(path);
  if (kind !== "directory") root.makeDirectory(path, 0o700);
  using directory = root.openDirectory(path);
  directory.changeOwnerAndMode(request.uid, request.gid, request.file_mode & 0o777);
}

/** Replacing a link by rename is what makes a volume's update appear at once (scenario V1). */
function placeLink(request: CopyFileRequest, path: string, root: Directory, uploads: Directory): void {
  const target = request.data;
  if (target.byteLength === 0 || target.byteLength > maxPathBytes || target.includes(0)) {
    throw new GuestError("invalid-argument", "link target is malformed");
  }
  const temporaryName = randomUUID();
  uploads.symlink(target, temporaryName);
  try {
    uploads.changeOwner(temporaryName, request.uid, request.gid);
    replace(uploads, temporaryName, root, path);
  } catch (error) {
    uploads.removeTree(temporaryName);
    throw error;
  }
}

/**
 * Renames over whatever is there; a directory is removed first.
 *
 * @returns bytes of the regular file that was replaced, with its overhead; 0 for none
 */
function replace(from: Directory, name: string, root: Directory, path: string): number {
  const existing = root.statusIfPresent(path);
  if (existing?.kind === "directory") root.removeTree(path);
  from.rename(name, path, { into: root });
  return existing?.kind === "file" ? existing.sizeBytes + entryOverheadBytes : 0;
}

function misfit(): GuestError {
  return new GuestError("invalid-argument", "piece does not follow the one before");
}

function tooMuch(): GuestError {
  return new GuestError("resource-exhausted", "copied files take too much room");
}
