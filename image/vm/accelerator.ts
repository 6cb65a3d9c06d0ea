import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { imageFiles, imageFolder } from "../folders.ts";
import { invocationInTools, pathInTools, runInTools } from "../tools-tree.ts";

/** How QEMU runs the guest's instructions: by the processor, or by translating them, which takes an order of magnitude longer. */
export type Accelerator = "kvm" | "tcg";

const probeTimeoutMs = 20_000;

/**
 * KVM where a kernel really boots on it, else TCG. That /dev/kvm is there proves nothing: nested KVM may hang or abort. The probe
 * boots the images' kernel with nothing to run, which is proven when it finds no root file system.
 */
export async function chooseAccelerator(): Promise<Accelerator> {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return "tcg";
  }
  const folder = mkdtempSync("/run/podkeep-kvm-");
  try {
    return (await bootsOnKvm(bootableKernel(imageFolder, folder))) ? "kvm" : "tcg";
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The kernel that both images have, as a file that QEMU boots directly.
 *
 * @param images folder of the finished images, of which one may be missing
 * @param folder where the kernel is written when only the disk image is there, which has it inside its UKI
 * @returns its path
 */
export function bootableKernel(images: string, folder: string): string {
  const kernel = join(images, imageFiles.leanKernel);
  if (existsSync(kernel)) return kernel;
  const file = join(folder, "vmlinuz");
  const paths = [join(images, imageFiles.uki), file].map(pathInTools);
  runInTools("objcopy", ["-O", "binary", "--only-section=.linux", ...paths]);
  return file;
}

function bootsOnKvm(kernel: string): Promise<boolean> {
  const { program, args } = invocationInTools("qemu-system-x86_64", [
    ...["-machine", "q35", "-accel", "kvm", "-m", "256", "-nographic", "-nodefaults", "-serial", "stdio", "-no-reboot"],
    ...["-kernel", pathInTools(kernel), "-append", "console=ttyS0 panic=-1"],
  ]);
  return new Promise((resolve) => {
    const qemu = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let printed = "";
    const timer = setTimeout(() => qemu.kill("SIGKILL"), probeTimeoutMs);
    const read = (data: Buffer): void => {
      printed += data.toString("latin1");
      // A guest that met an instruction the host can't run stands still.
      if (printed.includes("KVM internal error")) qemu.kill("SIGKILL");
    };
    qemu.stdout.on("data", read);
    qemu.stderr.on("data", read);
    qemu.on("error", () => {});
    qemu.on("close", () => {
      clearTimeout(timer);
      resolve(printed.includes("Unable to mount root fs"));
    });
  });
}
