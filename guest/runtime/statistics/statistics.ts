import type { CgroupStats } from "../../rpc/messages/agent.ts";
import type { MessageInit } from "../../rpc/method.ts";
import type { Cgroup } from "../../sys/cgroup.ts";
import { readLegacyStatistics } from "./legacy.ts";
import { readUnifiedStatistics } from "./unified.ts";

/**
 * What a container uses, from its control group (spec/agent-rpc.md 5, StatsContainer). A controller that is not there gives an
 * absent message.
 */
export function readStatistics(cgroup: Cgroup): MessageInit<CgroupStats> {
  return cgroup.version === 2 ? readUnifiedStatistics(cgroup) : readLegacyStatistics(cgroup);
}
