import { spawnSync } from "node:child_process";

/**
 * Whether there is Go of at least this version, major and minor.
 *
 * @returns why it can't be used, in a sentence
 */
export function missingGo(oldest: readonly [number, number]): string | undefined {
  const { status, stdout } = spawnSync("go", ["version"], { encoding: "utf8" });
  if (status !== 0) return "there is no go on this machine";
  const [, major = "0", minor = "0"] = /go(\d+)\.(\d+)/.exec(stdout) ?? [];
  const isOld = Number(major) < oldest[0] || (Number(major) === oldest[0] && Number(minor) < oldest[1]);
  return isOld ? `${stdout.trim()} is older than ${oldest.join(".")}` : undefined;
}
