import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { imageFiles, imageFolder } from "../folders.ts";
import type { Variant } from "../image-configuration.ts";
import { invocationInTools, pathInTools, toolsTree } from "../tools-tree.ts";
import type { Accelerator } from "./accelerator.ts";
import { writeCidata } from "./cidata.ts";

/** What a VM is started with. */
export interface VirtualMachineOptions {
  readonly variant: Variant;
  readonly accelerator: Accelerator;
  /** Port on this machine's loopback that leads to 15150 in the VM. */
  readonly port: number;
  /** User data: content by path in the guest. Absent: the VM has no user data. */
  readonly userData?: ReadonlyMap<string, string>;
  /** Default: with the disk image, as on every cloud. libvirt's VMs have none. */
  readonly hasTpm?: boolean;
  /** Default: 2048 for the disk image, 1024 for the lean one. */
  readonly memoryMegabytes?: number;
  /** Words that the host adds to the disk image's kernel command line, by the firmware's tables. */
  readonly addedCommandLine?: string;
  /** Another disk than the one that was built. It isn't written to. */
  readonly disk?: string;
  /** Raw files, attached as further virtio disks and written to. */
  readonly extraDisks?: readonly string[];
}

/** The address by which a VM reaches this machine's loopback (QEMU's user network). */
export const hostSeenByVm = "10.0.2.2";

/** Where systemd-stub looks for them. */
const stubOption = "io.systemd.stub.kernel-cmdline-extra";

const defaultMegabytes: Readonly<Record<Variant, number>> = { lean: 1024, disk: 2048 };

/** A VM in QEMU. */
export interface VirtualMachine extends AsyncDisposable {
  readonly port: number;
  /** All that its serial console printed so far. */
  console(): string;
  /** False when it has powered off or QEMU ended. */
  isRunning(): boolean;
  /** When it has powered off. */
  readonly ended: Promise<void>;
  /** Ends QEMU and removes its files. */
  stop(): Promise<void>;
}

/** Starts a VM from the image in build/image; doesn't wait for anything in it. */
export async function startVirtualMachine(options: VirtualMachineOptions): Promise<VirtualMachine> {
  const folder = mkdtempSync("/run/podkeep-vm-");
  const children: ChildProcess[] = [];
  try {
    const cidata = options.userData === undefined ? undefined : writeCidata(folder, options.userData);
    const hasTpm = options.hasTpm ?? options.variant === "disk";
    const tpm = hasTpm ? await startTpm(folder, children) : undefined;
    const qemu = start("qemu-system-x86_64", qemuArguments(options, folder, cidata, tpm), children);
    return machineOf(qemu, options.port, () => stop(children, folder));
  } catch (error) {
    await stop(children, folder);
    throw error;
  }
}

function machineOf(qemu: ChildProcess, port: number, stop: () => Promise<void>): VirtualMachine {
  let printed = "";
  for (const stream of [qemu.stdout, qemu.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
  }
  return {
    port,
    console: () => printed.replaceAll("\r\n", "\n"),
    isRunning: () => isRunning(qemu),
    ended: new Promise((resolve) => qemu.once("close", () => resolve())),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function qemuArguments(
  {
    variant,
    accelerator,
    port,
    disk,
    memoryMegabytes = defaultMegabytes[variant],
    extraDisks = [],
    addedCommandLine,
  }: VirtualMachineOptions,
  folder: string,
  cidata: string | undefined,
  tpm: string | undefined,
): string[] {
  const machine = ["-machine", variant === "disk" ? "q35,smm=off" : "q35", "-smp", "2"];
  const accel = accelerator === "kvm" ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg,thread=multi"];
  return [
    ...machine,
    ...accel,
    ...["-m", String(memoryMegabytes), "-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot"],
    ...["-netdev", `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:15150`],
    ...["-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"],
    ...(variant === "lean" ? leanArguments(cidata) : diskArguments(folder, cidata, disk)),
    ...extraDisks.flatMap((file) => ["-drive", `if=virtio,format=raw,file=${pathInTools(file)}`]),
    ...(addedCommandLine === undefined ? [] : ["-smbios", `type=11,value=${stubOption}=${addedCommandLine}`]),
    ...(tpm === undefined
      ? []
      : [
          "-chardev",
          `socket,id=tpm,path=${tpm}`,
          "-tpmdev",
          "emulator,id=tpm,chardev=tpm",
          "-device",
          "tpm-crb,tpmdev=tpm",
        ]),
  ];
}

function leanArguments(cidata: string | undefined): string[] {
  const file = (name: string): string => pathInTools(join(imageFolder, name));
  return [
    ...["-kernel", file(imageFiles.leanKernel), "-initrd", file(imageFiles.leanInitramfs)],
    ...["-append", "console=ttyS0 quiet panic=-1"],
    ...(cidata === undefined ? [] : ["-drive", `if=virtio,format=raw,readonly=on,file=${pathInTools(cidata)}`]),
  ];
}

/** The CD is a SATA one, as libvirt's. */
function diskArguments(
  folder: string,
  cidata: string | undefined,
  disk = join(imageFolder, imageFiles.disk),
): string[] {
  const firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd";
  const variables = join(folder, "firmware-variables.fd");
  copyFileSync(join(toolsTree, "usr/share/OVMF/OVMF_VARS_4M.fd"), variables);
  return [
    ...["-drive", `if=pflash,format=raw,readonly=on,file=${firmware}`],
    ...["-drive", `if=pflash,format=raw,file=${pathInTools(variables)}`],
    ...["-drive", `if=none,id=root,format=raw,snapshot=on,file=${pathInTools(disk)}`],
    ...["-device", "virtio-blk-pci,drive=root,bootindex=1"],
    ...(cidata === undefined ? [] : ["-drive", `media=cdrom,readonly=on,file=${pathInTools(cidata)}`]),
  ];
}

/** @returns path of its socket, in the tools tree. It ends when QEMU has closed the socket. */
async function startTpm(folder: string, children: ChildProcess[]): Promise<string> {
  const state = join(folder, "tpm");
  mkdirSync(state);
  const socket = pathInTools(join(folder, "tpm.sock"));
  const swtpm = start(
    "swtpm",
    [
      "socket",
      "--tpm2",
      "--terminate",
      "--tpmstate",
      `dir=${pathInTools(state)}`,
      "--ctrl",
      `type=unixio,path=${socket}`,
    ],
    children,
  );
  for (let attempt = 0; attempt < 500; attempt++) {
    if (existsSync(join(folder, "tpm.sock"))) return socket;
    if (!isRunning(swtpm)) break;
    await setTimeout(20);
  }
  throw new Error("swtpm does not start");
}

function start(program: string, args: readonly string[], children: ChildProcess[]): ChildProcess {
  const invocation = invocationInTools(program, args);
  const child = spawn(invocation.program, invocation.args, { stdio: ["ignore", "pipe", "pipe"] });
  child.on("error", () => {}); // it shows as a process that does not run
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  children.push(child);
  return child;
}

async function stop(children: readonly ChildProcess[], folder: string): Promise<void> {
  for (const child of children) {
    if (!isRunning(child)) continue;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}
