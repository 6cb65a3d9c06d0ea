import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { buildFolder } from "./folders.ts";

/**
 * A Debian 13 tree with all that builds and boots images: the machine's own Debian may be older, and what is built must not
 * depend on it.
 */
export const toolsTree = join(buildFolder, "tools");

/** The Debian release of the tools and of the image. */
const release = "trixie";

const toolPackages = [
  "binutils",
  "bubblewrap",
  "ca-certificates",
  "cpio",
  "cryptsetup-bin",
  "debian-archive-keyring",
  "dosfstools",
  "erofs-utils",
  "kmod",
  "mkosi",
  "mtools",
  "ovmf",
  "python3-pefile",
  "qemu-system-x86",
  "swtpm",
  "systemd-boot-efi",
  "systemd-repart",
  "systemd-ukify",
  "uidmap",
  "xorriso",
  "xz-utils",
  "zstd",
];

/** Makes the tree, or brings it to the list above; does nothing when it is complete. Takes minutes the first time. */
export function makeToolsTree(): void {
  const stamp = join(toolsTree, "etc/podkeep-tools");
  const wanted = `${toolPackages.join("\n")}\n`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  if (!existsSync(toolsTree)) bootstrap();
  writeFileSync(join(toolsTree, "etc/apt/sources.list"), "");
  writeAptSources(join(toolsTree, "etc/apt/sources.list.d/debian.sources"));
  runInTools("apt-get", ["update", "-qq"]);
  // An installation that was interrupted has left packages half configured.
  runInTools("dpkg", ["--configure", "-a"]);
  runInTools("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...toolPackages]);
  runInTools("apt-get", ["clean"]);
  writeFileSync(stamp, wanted);
}

/** Gives the tree its name when it is whole: one that was interrupted is begun anew. */
function bootstrap(): void {
  const unfinished = `${toolsTree}-unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(buildFolder, { recursive: true });
  const args = ["--variant=minbase", "--include=ca-certificates", release, unfinished, debianMirror()];
  execFileSync("debootstrap", args, { stdio: ["ignore", "ignore", "inherit"] });
  renameSync(unfinished, toolsTree);
}

/** Writes apt sources for the release with its updates and security updates, signatures checked. */
export function writeAptSources(file: string): void {
  const mirror = debianMirror();
  const source = (uri: string, suites: string): string =>
    `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
  const security = mirror.replace(/\/debian$/, "/debian-security");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${source(mirror, `${release} ${release}-updates`)}\n${source(security, `${release}-security`)}`);
}

/** The mirror that this machine's own apt uses for Debian. */
function debianMirror(): string {
  for (const file of ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]) {
    if (!existsSync(file)) continue;
    const match = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s*(\S+\/debian)\/?(?:\s|$)/m.exec(readFileSync(file, "utf8"));
    if (match?.[1] !== undefined) return match[1];
  }
  throw new Error("no Debian mirror in this machine's apt sources");
}

/** A program to start and its arguments. */
export interface Invocation {
  readonly program: string;
  readonly args: readonly string[];
}

/** Where the machine's own `path` is for a program that runs in the tools tree. */
export function pathInTools(path: string): string {
  return `/mnt${path}`;
}

/**
 * How a program of the tools tree is started: in a mount namespace of its own, which ends with it, with the machine's devices
 * and, below {@link pathInTools}, its files. Each step replaces the one before, so the process that is started is the program.
 */
export function invocationInTools(program: string, args: readonly string[]): Invocation {
  const enter = [
    'for folder in dev proc sys; do mount --rbind "/$folder" "$0/$folder"; done',
    'mount --rbind / "$0/mnt"',
    'exec chroot "$0" "$@"',
  ].join(" && ");
  return { program: "unshare", args: ["--mount", "--", "sh", "-c", enter, toolsTree, program, ...args] };
}

/** Runs a program of the tools tree to its end. @returns what it printed @throws Error when it fails */
export function runInTools(program: string, args: readonly string[]): string {
  const { program: file, args: all } = invocationInTools(program, args);
  return execFileSync(file, all, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
    env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" },
  });
}
