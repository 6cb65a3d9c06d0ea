import type { AgentSettings } from "./dependencies.ts";
import {
  defaultCopyQuotaBytes,
  defaultCsiTargetTimeoutMs,
  defaultDataDiskTimeoutMs,
  defaultImagePullTimeoutMs,
} from "./limits.ts";

/** The settings of a pod VM whose configuration says nothing else. */
export const defaultAgentSettings: AgentSettings = {
  guestDns: "ignore",
  resolverFile: "/etc/resolv.conf",
  allowedDevices: [],
  copyQuotaBytes: defaultCopyQuotaBytes,
  freezeFilesAfterStart: false,
  strictUnsealing: false,
  imagePullTimeoutMs: defaultImagePullTimeoutMs,
  dataDiskTimeoutMs: defaultDataDiskTimeoutMs,
  csiTargetTimeoutMs: defaultCsiTargetTimeoutMs,
  pipeSizeBytes: undefined,
};
