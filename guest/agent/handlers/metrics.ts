import { agentMetrics } from "../metrics/agent-metrics.ts";
import { guestMetrics } from "../metrics/guest-metrics.ts";
import { encodePrometheusText } from "../metrics/prometheus-text.ts";
import type { AgentHandlers } from "./agent-handlers.ts";

/** GetMetrics (spec/agent-rpc.md 14). */
export function metricsHandlers(): AgentHandlers<"GetMetrics"> {
  let scrapes = 0;
  return {
    GetMetrics: () => {
      scrapes++;
      return { metrics: encodePrometheusText([...agentMetrics(scrapes), ...guestMetrics()]) };
    },
  };
}
