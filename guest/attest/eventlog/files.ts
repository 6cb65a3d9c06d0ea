import { join } from "node:path";
import { closeDescriptor, truncateDescriptor, writeDescriptor } from "../../sys/descriptor.ts";
import { Directory } from "../../sys/directory.ts";
import { makeDirectories, readFileIfPresent, removeFile, writeFileAtomically } from "../../sys/file.ts";
import { assembleEvidenceLog } from "./evidence-log.ts";
import type { EventLogFiles } from "./recorder.ts";

/** Where the reference keeps its log; verifiers' tools look there (spec/attestation-agent.md 6.1). */
export const eventLogDirectory = "/run/attestation-agent";

/** Where the kernel shows the firmware's log. */
export const firmwareLogFile = "/sys/firmware/acpi/tables/data/CCEL";

const logName = "eventlog";
const pendingName = ".wal_event_entry";
const maxLogBytes = 16 * 1024 * 1024;
const maxPendingBytes = 2 * 1024 * 1024;

/**
 * The log's files in a directory of ours, which is made when it is missing. The directory is in memory, so nothing is flushed: what a
 * crash of this process leaves is there, and after a crash of the VM the registers begin anew, too.
 */
export function openEventLogFiles(directory: string = eventLogDirectory): EventLogFiles {
  makeDirectories(directory, 0o700);
  const pending = join(directory, pendingName);
  return {
    logSize: () => withDirectory(directory, (opened) => opened.statusIfPresent(logName)?.sizeBytes ?? 0),
    writeLog: (offset, entry) => {
      const fd = withDirectory(directory, (opened) =>
        opened.statusIfPresent(logName) === undefined ? opened.createFile(logName) : opened.openFileForWriting(logName),
      );
      try {
        truncateDescriptor(fd, offset);
        writeDescriptor(fd, entry, offset);
      } finally {
        closeDescriptor(fd);
      }
    },
    readPending: () => readFileIfPresent(pending, maxPendingBytes),
    writePending: (record) => writeFileAtomically(pending, record),
    removePending: () => removeFile(pending),
  };
}

/** The log that evidence carries: the firmware's and the agent's. @throws GuestError when the firmware's can't be parsed */
export function readEvidenceLog(
  firmwareFile: string = firmwareLogFile,
  directory: string = eventLogDirectory,
): Uint8Array | undefined {
  const firmwareLog = readFileIfPresent(firmwareFile, maxLogBytes);
  return assembleEvidenceLog(firmwareLog, readFileIfPresent(join(directory, logName), maxLogBytes));
}

function withDirectory<T>(path: string, action: (directory: Directory) => T): T {
  const directory = Directory.open(path);
  try {
    return action(directory);
  } finally {
    directory.close();
  }
}
