/**
 * Builds the pod VM image with mkosi: `npm run image -- [--profile production|debug] [--keep-tools]`.
 *
 * mkosi 25 comes from Debian 13. On another Debian it is run from a tools tree that is made once below build/tools; the Debian
 * mirror is the one of this machine.
 */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { writePauseBundle } from "./pause.ts";

const root = resolve(import.meta.dirname, "..");
const buildFolder = join(root, "build");
const toolsTree = join(buildFolder, "tools");
const imageTree = join(buildFolder, "image-tree");

/** What mkosi and the boot scripts need, from Debian 13. */
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
  "xz-utils",
  "zstd",
]; // prettier-ignore

const { values } = parseArgs({ options: { profile: { type: "string", default: "production" } } });
const profile = values.profile;
if (profile !== "production" && profile !== "debug") throw new Error(`there is no profile ${profile}`);

step("bundle", bundle);
step("tools tree", makeToolsTree);
step("image tree", makeImageTree);
step("mkosi", runMkosi);
reportSizes();

function step(name: string, action: () => void): void {
  const start = performance.now();
  action();
  process.stdout.write(`image: ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
}

function bundle(): void {
  execFileSync(process.execPath, [join(root, "image/bundle.ts"), join(buildFolder, "bundle")], {
    cwd: root,
    stdio: "inherit",
  });
}

/** The mirror this machine's own apt uses for Debian. */
function debianMirror(): string {
  const sources = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"].filter((file) =>
    existsSync(file),
  );
  for (const file of sources) {
    const match = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s*(\S+\/debian)\/?(?:\s|$)/m.exec(readFileSync(file, "utf8"));
    if (match?.[1] !== undefined) return match[1];
  }
  throw new Error("no Debian mirror in this machine's apt sources");
}

function makeToolsTree(): void {
  if (existsSync(join(toolsTree, "usr/bin/mkosi"))) return;
  rmSync(toolsTree, { recursive: true, force: true });
  mkdirSync(buildFolder, { recursive: true });
  const include = `--include=${toolPackages.join(",")}`;
  run("debootstrap", ["--variant=minbase", include, "trixie", toolsTree, debianMirror()]);
}

function makeImageTree(): void {
  rmSync(imageTree, { recursive: true, force: true });
  const program = join(imageTree, "usr/lib/podkeep");
  const policies = join(imageTree, "etc/kata-opa");
  for (const folder of [program, policies, join(imageTree, "etc/podkeep")]) mkdirSync(folder, { recursive: true });
  for (const name of ["agent", "hub", "provision"])
    copyFileSync(join(buildFolder, `bundle/${name}.cjs`), join(program, `${name}.cjs`));
  stripNode(join(program, "node"));
  for (const name of readdirSync(join(root, "policy")).filter(
    (file) => file.endsWith(".rego") && !file.endsWith("_test.rego"),
  )) {
    copyFileSync(join(root, "policy", name), join(policies, name));
  }
  symlinkSync(profile === "debug" ? "allow-all.rego" : "deny-all.rego", join(policies, "default-policy.rego"));
  writeFileSync(join(imageTree, "etc/podkeep/podkeep.toml"), readFileSync(join(root, `image/podkeep-${profile}.toml`)));
  writePauseBundle(join(imageTree, "pause_bundle"));
}

/** Debugging symbols are a seventh of Node. The tools tree's strip is used, since the machine may have none. */
function stripNode(target: string): void {
  const inTree = join(toolsTree, "tmp/node");
  copyFileSync(process.execPath, inTree);
  run("chroot", [toolsTree, "strip", "/tmp/node"]);
  copyFileSync(inTree, target);
  rmSync(inTree);
}

function runMkosi(): void {
  writeAptSources();
  const modules = join(buildFolder, "mkosi-modules");
  mkdirSync(modules, { recursive: true });
  const link = join(modules, "mkosi");
  rmSync(link, { force: true });
  symlinkSync(join(toolsTree, "usr/lib/python3/dist-packages/mkosi"), link);
  const args = [
    "-m",
    "mkosi",
    `--tools-tree=${toolsTree}`,
    `--include=image/profiles/${profile}.conf`,
    "--force",
    "build",
  ];
  run("/usr/bin/python3", args, { ...process.env, PYTHONPATH: modules });
}

/** mkosi would add a suite with debugging symbols that mirrors need not have; with this file it takes what stands here. */
function writeAptSources(): void {
  const mirror = debianMirror();
  const folder = join(root, "mkosi.sandbox/etc/apt/sources.list.d");
  mkdirSync(folder, { recursive: true });
  const source = (uri: string, suites: string): string =>
    `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
  const security = mirror.replace(/\/debian$/, "/debian-security");
  writeFileSync(
    join(folder, "mkosi.sources"),
    `${source(mirror, "trixie trixie-updates")}\n${source(security, "trixie-security")}`,
  );
}

function reportSizes(): void {
  const folder = join(buildFolder, "image");
  for (const name of readdirSync(folder).sort()) {
    const { size } = statSync(join(folder, name));
    process.stdout.write(`image: ${name}: ${(size / 1e6).toFixed(1)} MB\n`);
  }
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  execFileSync(program, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], env });
}
