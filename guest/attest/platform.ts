import { pathExists, readFileIfPresent } from "../sys/file.ts";
import type { PlatformProbe } from "./detect.ts";
import { readTsmProvider, type TsmFiles } from "./tsm/tsm-report.ts";

const maxTextBytes = 4_096;

/** What must come from outside: a device that detection can't look at by files alone. */
export interface ProbeParts {
  readonly tsm: TsmFiles;
  /** Report type in Azure's HCL report, read from the TPM; undefined without it. */
  readonly hclReportType: number | undefined;
  readonly tpmDevice: string | undefined;
  /** `process.arch`. */
  readonly architecture: string;
}

/** Looks at this machine, for {@link detectTee}. The configfs-tsm provider is asked once. */
export async function createPlatformProbe(parts: ProbeParts): Promise<PlatformProbe> {
  const provider = await readTsmProvider(parts.tsm);
  return {
    tsmProvider: () => provider,
    exists: pathExists,
    readText: (path) => readFileIfPresent(path, maxTextBytes)?.toString("latin1").trim(),
    hclReportType: () => parts.hclReportType,
    tpmDevice: () => parts.tpmDevice,
    architecture: parts.architecture,
  };
}
