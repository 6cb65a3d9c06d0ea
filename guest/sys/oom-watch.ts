import fs from "node:fs";
import path from "node:path";
import type { Cgroup } from "./cgroup.ts";
import { keyValue } from "./cgroup.ts";
import { readFileIfPresent } from "./file.ts";
import { maxKernelFileBytes, oomPollMs } from "./limits.ts";
import { isErrno } from "./system-error.ts";

/** A watch on a control group's out-of-memory kills. */
export interface OomWatch {
  /**
   * Looks now, for when a process has just ended: the notice of the kernel may come later than the exit.
   */
  look(): void;
  /** Ends the watch. Calling again does nothing. */
  close(): void;
}

/**
 * Calls back once when the kernel has killed a process of the group for lack of memory, and ends then; it ends without a call
 * when the group is empty or gone (spec/agent-rpc.md 7.5).
 */
export function watchOom(cgroup: Cgroup, onOom: () => void): OomWatch {
  return cgroup.version === 2 ? watchEvents(cgroup, onOom) : pollCounter(cgroup, onOom);
}

/** Version 2: the kernel tells of changes of memory.events and cgroup.events by inotify. */
function watchEvents(cgroup: Cgroup, onOom: () => void): OomWatch {
  const directory = cgroup.directory("memory") ?? "";
  const watchers: fs.FSWatcher[] = [];
  const watch = lookOnce(cgroup, onOom, () => {
    for (const watcher of watchers) watcher.close();
  });
  for (const file of ["memory.events", "cgroup.events"]) {
    try {
      const watcher = fs.watch(path.join(directory, file), { persistent: false }, () => {
        watch.look();
        const events = readFileIfPresent(path.join(directory, "cgroup.events"), maxKernelFileBytes)?.toString();
        if (keyValue(events, "populated") !== 1n) watch.close();
      });
      // The only failure of a running watch is that the group is gone.
      watcher.on("error", () => watch.close());
      watchers.push(watcher);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
  // A kill before the watch began shows in the counter.
  watch.look();
  return watch;
}

/** Version 1 counts but doesn't tell, except by an eventfd, which Node could only wait for in a blocked thread. */
function pollCounter(cgroup: Cgroup, onOom: () => void): OomWatch {
  const timer = setInterval(() => {
    watch.look();
    if (!cgroup.exists()) watch.close();
  }, oomPollMs);
  timer.unref();
  const watch = lookOnce(cgroup, onOom, () => clearInterval(timer));
  watch.look();
  return watch;
}

function lookOnce(cgroup: Cgroup, onOom: () => void, stop: () => void): OomWatch {
  let open = true;
  const close = (): void => {
    open = false;
    stop();
  };
  const look = (): void => {
    if (!open || (cgroup.oomKillCount() ?? 0n) === 0n) return;
    close();
    onOom();
  };
  return { look, close };
}
