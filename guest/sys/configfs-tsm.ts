import fs from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GuestError } from "../core/errors.ts";
import { asSystemCall, toSystemError } from "./system-error.ts";

const reportDirectory = "/sys/kernel/config/tsm/report";

/**
 * Entries of configfs-tsm (spec/tee-abi.md 3.1). Reading and writing happen off the thread, since a quote takes seconds. Fulfils
 * TsmFiles of guest/attest/tsm/tsm-report.ts.
 */
export const configfsTsm = {
  /** @throws SystemError ENOENT without configfs-tsm, ENXIO without a provider */
  createEntry: (): string =>
    asSystemCall(() => fs.mkdtempSync(`${reportDirectory}/podkeep-`)).slice(reportDirectory.length + 1),

  /** One open, write and close: the kernel takes the bytes when the file is closed. @throws SystemError */
  write: (entry: string, attribute: string, content: Uint8Array): Promise<void> =>
    waiting(writeFile(join(reportDirectory, entry, attribute), content, { flag: fs.constants.O_WRONLY })),

  /** @throws SystemError; GuestError `resource-exhausted` */
  read: async (entry: string, attribute: string, maxBytes: number): Promise<Uint8Array> => {
    const content = await waiting(readFile(join(reportDirectory, entry, attribute)));
    if (content.length <= maxBytes) return content;
    throw new GuestError("resource-exhausted", `${attribute} is over ${maxBytes} bytes`);
  },

  /** Plain rmdir: the attributes can't be removed one by one. @throws SystemError */
  removeEntry: (entry: string): void => asSystemCall(() => fs.rmdirSync(join(reportDirectory, entry))),
};

async function waiting<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toSystemError(error);
  }
}
