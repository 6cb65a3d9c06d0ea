import { join } from "node:path";
import { closeDescriptor, writeDescriptor } from "../../sys/descriptor.ts";
import { Directory } from "../../sys/directory.ts";
import { readFileIfPresent } from "../../sys/file.ts";
import { registerBytes, type TdxMeasurementFiles } from "./registers.ts";

/** There since kernel 6.16. */
export const measurementDirectory = "/sys/devices/virtual/misc/tdx_guest/measurements";

/** The measurement registers in sysfs; tests give another directory. */
export function openTdxMeasurements(directory: string = measurementDirectory): TdxMeasurementFiles {
  return {
    read: async (name) => readFileIfPresent(join(directory, name), registerBytes),
    write: async (name, digest) => {
      const opened = Directory.open(directory);
      try {
        // One write at the start is one extension; sysfs refuses another length.
        const fd = opened.openFileForWriting(name);
        try {
          writeDescriptor(fd, digest, 0);
        } finally {
          closeDescriptor(fd);
        }
      } finally {
        opened.close();
      }
    },
  };
}
