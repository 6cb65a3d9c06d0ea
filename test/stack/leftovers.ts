import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where a stack could leave something. */
export interface Traces {
  readonly directory: string;
  readonly cgroupParent: string;
}

/** Mounts below the directory, cgroups with something in them, and processes of them: what a stopped stack must not leave. */
export function leftovers({ directory, cgroupParent }: Traces): string[] {
  return [...mountsBelow(directory), ...processesOf(directory, cgroupParent), ...cgroupsNamed(cgroupParent.slice(1))];
}

function mountsBelow(directory: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((mountPoint) => mountPoint.startsWith(`${directory}/`))
    .map((mountPoint) => `mount ${mountPoint}`);
}

function processesOf(directory: string, cgroupParent: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const cgroups = readIfThere(`/proc/${pid}/cgroup`);
      return cgroups.includes(`${cgroupParent}/`) || readIfThere(`/proc/${pid}/cmdline`).includes(`${directory}/`);
    })
    .map((pid) => `process ${pid}: ${readIfThere(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`);
}

/** A cgroup of the name at the top of any hierarchy. */
function cgroupsNamed(name: string): string[] {
  const roots = [
    "/sys/fs/cgroup",
    ...readdirSync("/sys/fs/cgroup").map((controller) => join("/sys/fs/cgroup", controller)),
  ];
  return roots
    .filter((hierarchy) => {
      try {
        return readdirSync(hierarchy).includes(name);
      } catch {
        return false; // a file of cgroup v2, not a hierarchy
      }
    })
    .map((hierarchy) => `cgroup ${hierarchy}/${name}`);
}

/** Processes come and go while /proc is read. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
