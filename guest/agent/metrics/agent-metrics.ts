import { columnSamples, itemSamples, kernelLines } from "./kernel-files.ts";
import type { Metric } from "./prometheus-text.ts";

/** Fields of /proc/self/stat from the third on, proc_pid_stat(5), as far as they are reported. */
const statFields = ["minflt", "cminflt", "majflt", "cmajflt", "utime", "stime", "cutime", "cstime"];
/** Where the first of them is, counted from the state, which follows the name in parentheses. */
const firstStatField = 7;
const ticksPerSecond = 100;
const pageBytes = 4096;

/** What the agent itself uses (spec/agent-rpc.md 14). @param scrapes how often it has been asked, this time included */
export function agentMetrics(scrapes: number): Metric[] {
  const stat = processStat();
  const status = keyedNumbers("/proc/self/status");
  const time = ["utime", "stime"].reduce((sum, field) => sum + Number(stat.get(field) ?? 0), 0) / ticksPerSecond;
  const [totalPages = 0, residentPages = 0] = (kernelLines("/proc/self/statm")[0] ?? "").split(" ").map(Number);
  return [
    gauge("kata_agent_threads", "Agent process threads.", Number(status.get("Threads") ?? 0)),
    gauge("kata_agent_total_time", "Agent process CPU time in seconds.", time),
    gauge("kata_agent_total_vm", "Agent process virtual memory in bytes.", totalPages * pageBytes),
    gauge("kata_agent_total_rss", "Agent process resident memory in bytes.", residentPages * pageBytes),
    {
      name: "kata_agent_scrape_count",
      help: "Metrics scrape count.",
      type: "counter",
      samples: [{ labels: {}, value: scrapes }],
    },
    {
      name: "kata_agent_proc_status",
      help: "Agent process status.",
      type: "gauge",
      samples: itemSamples(lowerCaseKeys(status)),
    },
    {
      name: "kata_agent_io_stat",
      help: "Agent process IO statistics.",
      type: "gauge",
      samples: itemSamples(lowerCaseKeys(keyedNumbers("/proc/self/io"))),
    },
    {
      name: "kata_agent_proc_stat",
      help: "Agent process statistics.",
      type: "gauge",
      samples: columnSamples({}, statFields, [...stat.values()]),
    },
  ];
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, help, type: "gauge", samples: [{ labels: {}, value }] };
}

function processStat(): Map<string, string> {
  const line = kernelLines("/proc/self/stat")[0] ?? "";
  const words = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return new Map(statFields.map((field, index) => [field, words[index + firstStatField] ?? "0"]));
}

/** Lines such as `VmRSS:  1234 kB`, the number alone. */
function keyedNumbers(file: string): Map<string, string> {
  return new Map(
    kernelLines(file).flatMap((line): [string, string][] => {
      const [, key, number] = /^(\w+):\s+(\d+)(?: kB)?$/u.exec(line) ?? [];
      return key === undefined || number === undefined ? [] : [[key, number]];
    }),
  );
}

function lowerCaseKeys(map: ReadonlyMap<string, string>): Record<string, string> {
  return Object.fromEntries([...map].map(([key, value]) => [key.toLowerCase(), value]));
}
