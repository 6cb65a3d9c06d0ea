import { GuestError } from "../../core/errors.ts";
import type { SnpReport, TcbVersion } from "./report.ts";

/** The oldest component versions that are acceptable. Components that are not named are not compared. */
export type MinimumTcb = Readonly<Partial<Record<keyof TcbVersion, number>>>;

const components: ReadonlySet<string> = new Set(["fmc", "bootloader", "tee", "snp", "microcode"]);
const maxVersion = 255;

/**
 * Reads versions as people write them: `bootloader=4,snp=24,microcode=219`.
 *
 * @throws GuestError `invalid-argument` for anything else, a component named twice included
 */
export function parseMinimumTcb(text: string): MinimumTcb {
  const minimum = new Map<string, number>();
  for (const part of text.split(",")) {
    const [, name = "", digits = ""] = /^([a-z]+)=(\d{1,3})$/.exec(part) ?? [];
    const version = Number(digits);
    if (!components.has(name) || version > maxVersion || minimum.has(name)) {
      throw new GuestError("invalid-argument", `${part.slice(0, 40)} is no component with a version, or comes twice`);
    }
    minimum.set(name, version);
  }
  return Object.fromEntries(minimum);
}

/**
 * Finds what is too old: in what the chip reports now, in what the VM was launched with, and in what the platform has committed
 * to, below which the host could still go (threat model row 77).
 *
 * @returns such as `LAUNCH_TCB (microcode)`; undefined when nothing is
 */
export function findOutdatedComponent(report: SnpReport, minimum: MinimumTcb): string | undefined {
  const versions = {
    REPORTED_TCB: report.reportedTcb,
    COMMITTED_TCB: report.committedTcb,
    LAUNCH_TCB: report.launchTcb,
  };
  for (const [field, tcb] of Object.entries(versions)) {
    for (const [component, oldest] of Object.entries(minimum)) {
      // The keys of a MinimumTcb are components. A component that this CPU does not have has no version that would do.
      const version = tcb[component as keyof TcbVersion];
      if (version === null || version < oldest) return `${field} (${component})`;
    }
  }
  return undefined;
}
