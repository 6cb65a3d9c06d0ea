import type { HugetlbStats, PidsStats } from "../../rpc/messages/agent.ts";
import type { MessageInit } from "../../rpc/method.ts";
import type { Cgroup } from "../../sys/cgroup.ts";
import { listDirectory } from "../../sys/file.ts";
import { parseCount, toMessageMap, unlimited } from "./kernel-text.ts";

/** The number of processes: its files are the same in both versions. */
export function readPids(cgroup: Cgroup): MessageInit<PidsStats> | null {
  const current = parseCount(cgroup.read("pids.current"));
  if (current === undefined) return null;
  const limit = parseCount(cgroup.read("pids.max")) ?? 0n;
  return { current, limit: limit === unlimited ? 0n : limit };
}

/** Huge pages by their size, such as `2MB`. @param read reads the files of one size */
export function readHugePages(
  cgroup: Cgroup,
  read: (size: string) => MessageInit<HugetlbStats>,
): Readonly<Record<string, MessageInit<HugetlbStats>>> {
  const directory = cgroup.directory("hugetlb");
  const files = directory === undefined || !cgroup.exists() ? [] : listDirectory(directory);
  const sizes = new Set(files.flatMap((file) => /^hugetlb\.([0-9]+[KMG]B)\./u.exec(file)?.[1] ?? []));
  return toMessageMap(new Map([...sizes].map((size) => [size, read(size)])));
}
