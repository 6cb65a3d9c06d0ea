import { pathExists, removeFile, writeFileAtomically } from "../sys/file.ts";
import { bindMount } from "../sys/mount.ts";

/**
 * Binds the process namespace of a process to a file, by which others can join it and never another one: between now and then the
 * process may end, and its id be another's (threat 49). Does nothing where it is bound already; `removePersistentNamespace` takes
 * it back.
 *
 * @param pid of a child whose end nobody has taken yet
 * @throws SystemError; no file stays behind then
 */
export function bindPidNamespace(pid: number, file: string): void {
  if (pathExists(file)) return;
  writeFileAtomically(file, "", 0o444);
  try {
    bindMount(`/proc/${pid}/ns/pid`, file, { recursive: false });
  } catch (error) {
    removeFile(file);
    throw error;
  }
}
