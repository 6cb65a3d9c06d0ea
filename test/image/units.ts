import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const systemdFolder = resolve(import.meta.dirname, "../../image/tree/usr/lib/systemd/system");

/** What of podkeep has a service in the image. */
export const daemonNames = ["agent", "hub", "provision", "refresh"] as const;

/** A unit of the image, as far as tests ask. */
export interface Unit {
  readonly file: string;
  /** The words of ExecStart, the program first. */
  readonly command: readonly string[];
  /** Variables that systemd takes out of the environment. */
  readonly unsetVariables: readonly string[];
  /** All values of a setting, in order. */
  values(setting: string): readonly string[];
}

/** Reads the unit of a service. None of them uses quotes or continued lines. */
export function readUnit(name: (typeof daemonNames)[number]): Unit {
  const file = join(systemdFolder, `podkeep-${name}.service`);
  const lines = readFileSync(file, "utf8").split("\n");
  const values = (setting: string): readonly string[] =>
    lines.filter((line) => line.startsWith(`${setting}=`)).map((line) => line.slice(setting.length + 1));
  const words = (setting: string): readonly string[] => values(setting).flatMap((value) => value.split(" "));
  return { file, command: words("ExecStart"), unsetVariables: words("UnsetEnvironment"), values };
}
