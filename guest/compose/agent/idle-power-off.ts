import type { Scope } from "../../core/scope.ts";

const minuteMs = 60_000;

/**
 * Ends an agent that has had no worker for some time, so that no VM is left over when nobody is there to delete it (scenario N10).
 * The time before the first connection counts, too.
 *
 * @param minutes whole minutes; 0: never
 * @param end called once
 * @returns what to call with the number of connections, whenever it changes
 */
export function endWhenIdle(minutes: number, end: () => void, scope: Scope): (connections: number) => void {
  if (minutes === 0) return () => {};
  let connections = 0;
  let idleMinutes = 0;
  const clock = setInterval(() => {
    if (connections > 0) return;
    idleMinutes += 1;
    if (idleMinutes < minutes) return;
    clearInterval(clock);
    end();
  }, minuteMs);
  scope.add("idle clock", () => clearInterval(clock));
  return (count) => {
    connections = count;
    idleMinutes = 0;
    clock.refresh();
  };
}
