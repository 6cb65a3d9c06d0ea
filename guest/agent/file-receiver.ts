import { randomUUID } from "node:crypto";
import { posix } from "node:path";
import { GuestError } from "../core/errors.ts";
import { copiedFileType } from "../policy/copy-file-input.ts";
import type { CopyFileRequest } from "../rpc/messages/agent.ts";
import type { GuestPaths } from "../runtime/guest-paths.ts";
import { maxPathBytes } from "../runtime/limits.ts";
import { closeDescriptor, writeDescriptor } from "../sys/descriptor.ts";
import { Directory } from "../sys/directory.ts";
import { isErrno } from "../sys/system-error.ts";
import { CopyQuota, entryOverheadBytes, tooMuch } from "./copy-quota.ts";
import { refusal } from "./errors.ts";
import { maxCopyDepth, maxOpenUploads, uploadIdleMs } from "./limits.ts";

/** A regular file of which not all pieces have come. */
interface Upload {
  readonly temporaryName: string;
  readonly sizeBytes: bigint;
  receivedBytes: number;
  lastPieceAt: number;
}

/**
 * Takes in the files that the host copies (spec/agent-rpc.md 6.8). The host chooses paths, contents, owners and order, and
 * containers can write to some of the directories: so every path is resolved beneath the one shared directory without following
 * links or crossing mounts, new content appears by an atomic rename, and all of it counts against a quota (threats 51 to 53).
 */
export class FileReceiver {
  readonly #paths: GuestPaths;
  readonly #quota: CopyQuota;
  readonly #now: () => number;
  /** By path below the shared directory, the longest untouched first. */
  readonly #uploads = new Map<string, Upload>();

  constructor(paths: GuestPaths, quotaBytes: number, now: () => number) {
    this.#paths = paths;
    this.#quota = new CopyQuota(quotaBytes);
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
        this.#placeDirectory(request, path, root);
        break;
      case "Symlink":
        this.#placeLink(request, path, root, uploads);
        break;
      case "Regular":
        this.#takePiece(request, path, root, uploads);
        break;
      case "Unknown":
        throw refusal("only files, directories and links can be copied", { mode: request.file_mode });
    }
  }

  #placeDirectory(request: CopyFileRequest, path: string, root: Directory): void {
    this.#makeParents(request, path, root);
    const existing = root.statusIfPresent(path);
    if (existing?.kind !== "directory") {
      this.#quota.chargeFor(entryOverheadBytes, () => {
        if (existing !== undefined) root.unlink(path);
        root.makeDirectory(path, 0o700);
      });
      this.#quota.replace(existing?.inode, root.status(path).inode, entryOverheadBytes);
    }
    using directory = root.openDirectory(path);
    directory.changeOwnerAndMode(request.uid, request.gid, request.file_mode & 0o777);
  }

  /** Replacing a link by rename is what makes a volume's update appear at once (scenario V1). */
  #placeLink(request: CopyFileRequest, path: string, root: Directory, uploads: Directory): void {
    const target = request.data;
    if (target.byteLength === 0 || target.byteLength > maxPathBytes || target.includes(0)) {
      throw new GuestError("invalid-argument", "link target is malformed");
    }
    const temporaryName = randomUUID();
    const cost = entryOverheadBytes + target.byteLength;
    this.#makeParents(request, path, root);
    this.#quota.chargeFor(cost, () => uploads.symlink(target, temporaryName));
    try {
      this.#moveIntoPlace(request, temporaryName, cost, path, root, uploads);
    } catch (error) {
      uploads.removeTree(temporaryName);
      this.#quota.refund(cost);
      throw error;
    }
  }

  /**
   * Takes the next piece of a file, and puts the file in its place when it was the last. What is there of a file that can't be
   * completed is removed at once: it would keep the room from others.
   */
  #takePiece(request: CopyFileRequest, path: string, root: Directory, uploads: Directory): void {
    const upload = this.#uploadFor(request, path, root, uploads);
    try {
      this.#quota.chargeFor(request.data.byteLength, () => writePiece(request, upload.temporaryName, uploads));
      upload.receivedBytes += request.data.byteLength;
      if (BigInt(upload.receivedBytes) < upload.sizeBytes) {
        this.#rest(path, upload);
        return;
      }
      uploads.changeMode(upload.temporaryName, request.file_mode & 0o777);
      this.#moveIntoPlace(request, upload.temporaryName, costOf(upload), path, root, uploads);
    } catch (error) {
      this.#dropUpload(path, uploads);
      throw error;
    }
    this.#uploads.delete(path);
  }

  #uploadFor(request: CopyFileRequest, path: string, root: Directory, uploads: Directory): Upload {
    const { offset, file_size: sizeBytes, data } = request;
    if (sizeBytes < 0n || sizeBytes > BigInt(this.#quota.limitBytes)) throw tooMuch();
    if (offset < 0n || offset + BigInt(data.byteLength) > sizeBytes) throw misfit();
    if (offset === 0n) return this.#startUpload(request, path, root, uploads);
    const upload = this.#uploads.get(path);
    if (upload === undefined || BigInt(upload.receivedBytes) !== offset || upload.sizeBytes !== sizeBytes)
      throw misfit();
    return upload;
  }

  #startUpload(request: CopyFileRequest, path: string, root: Directory, uploads: Directory): Upload {
    this.#dropUpload(path, uploads);
    const [oldest] = this.#uploads.keys();
    if (this.#uploads.size >= maxOpenUploads && oldest !== undefined) this.#dropUpload(oldest, uploads);
    this.#makeParents(request, path, root);
    const upload = {
      temporaryName: randomUUID(),
      sizeBytes: request.file_size,
      receivedBytes: 0,
      lastPieceAt: this.#now(),
    };
    this.#quota.chargeFor(entryOverheadBytes, () => closeDescriptor(uploads.createFile(upload.temporaryName)));
    this.#uploads.set(path, upload);
    return upload;
  }

  /** Waits for the next piece of a file, behind those that wait already. */
  #rest(path: string, upload: Upload): void {
    upload.lastPieceAt = this.#now();
    this.#uploads.delete(path);
    this.#uploads.set(path, upload);
  }

  /** Missing directories above get the request's mode; the one right above gets its owner, too, even if it was there. */
  #makeParents(request: CopyFileRequest, path: string, root: Directory): void {
    const parent = posix.dirname(path);
    if (parent === ".") return;
    if (root.statusIfPresent(parent) === undefined) this.#quota.charge(entryOverheadBytes * parent.split("/").length);
    root.makeDirectories(parent, request.dir_mode & 0o777);
    root.changeOwner(parent, request.uid, request.gid);
  }

  /** Gives a finished file or link its owner and renames it over whatever is there; a directory is removed first. */
  #moveIntoPlace(
    { uid, gid }: CopyFileRequest,
    temporaryName: string,
    cost: number,
    path: string,
    root: Directory,
    uploads: Directory,
  ): void {
    uploads.changeOwner(temporaryName, uid, gid);
    const { inode } = uploads.status(temporaryName);
    const existing = root.statusIfPresent(path);
    if (existing?.kind === "directory") root.removeTree(path);
    uploads.rename(temporaryName, path, { into: root });
    this.#quota.replace(existing?.inode, inode, cost);
  }

  #dropUpload(path: string, uploads: Directory): void {
    const upload = this.#uploads.get(path);
    if (upload === undefined) return;
    this.#uploads.delete(path);
    uploads.removeTree(upload.temporaryName);
    this.#quota.refund(costOf(upload));
  }

  #dropIdleUploads(uploads: Directory): void {
    const oldest = this.#now() - uploadIdleMs;
    for (const [path, { lastPieceAt }] of this.#uploads) if (lastPieceAt < oldest) this.#dropUpload(path, uploads);
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

function writePiece({ data, offset }: CopyFileRequest, temporaryName: string, uploads: Directory): void {
  const fd = uploads.openFileForWriting(temporaryName);
  try {
    writeDescriptor(fd, data, Number(offset));
  } finally {
    closeDescriptor(fd);
  }
}

function costOf({ receivedBytes }: Upload): number {
  return entryOverheadBytes + receivedBytes;
}

function misfit(): GuestError {
  return new GuestError("invalid-argument", "piece does not follow the one before");
}
