/**
 * The program of the pause container, which holds the pod's namespaces open: a static ELF file of a few hundred bytes, so that
 * neither a compiler nor a downloaded image is needed and the container holds nothing to execute but this.
 *
 * It ignores SIGCHLD, so that the kernel reaps what is re-parented to it when containers share its process namespace, and then
 * waits for ever. SIGTERM keeps its default action; the agent knows to send SIGKILL instead.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const loadAddress = 0x400000n;
const headerLength = 64;
const programHeaderLength = 56;

/** x86-64 machine code; the structure that `lea` refers to stands directly behind it. */
const code = Buffer.from(
  [
    "b80d000000", //     mov  eax, 13         rt_sigaction
    "bf11000000", //     mov  edi, 17         SIGCHLD
    "488d3513000000", // lea  rsi, [rip + 19] the action below
    "31d2", //           xor  edx, edx        no old action
    "41ba08000000", //   mov  r10d, 8         bytes in a signal set
    "0f05", //           syscall
    "b822000000", // 1:  mov  eax, 34         pause
    "0f05", //           syscall
    "ebf7", //           jmp  1b
  ].join(""),
  "hex",
);

/** `struct kernel_sigaction`: handler SIG_IGN, no flags, no restorer, empty mask. */
const ignoreAction = Buffer.concat([bytesOf(1n), Buffer.alloc(24)]);

/** The program's file: ELF header, one loadable segment, code, data (System V ABI, ELF-64). */
export function pauseProgram(): Uint8Array {
  const body = Buffer.concat([code, ignoreAction]);
  const bodyOffset = headerLength + programHeaderLength;
  const length = BigInt(bodyOffset + body.length);
  return Buffer.concat([elfHeader(loadAddress + BigInt(bodyOffset)), programHeader(length), body]);
}

/**
 * Writes a pause bundle: `config.json` with the process, `rootfs/pause`. The agent copies both for the sandbox container
 * (spec/agent-rpc.md 9.4).
 */
export function writePauseBundle(directory: string): void {
  const rootfs = join(directory, "rootfs");
  mkdirSync(rootfs, { recursive: true });
  const program = join(rootfs, "pause");
  writeFileSync(program, pauseProgram());
  chmodSync(program, 0o755);
  const user = { uid: 65535, gid: 65535 };
  const process = { terminal: false, user, args: ["/pause"], env: ["PATH=/"], cwd: "/", noNewPrivileges: true };
  const config = { ociVersion: "1.1.0", process, root: { path: "rootfs", readonly: true } };
  writeFileSync(join(directory, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
}

function elfHeader(entry: bigint): Buffer {
  const header = Buffer.alloc(headerLength);
  header.write("\x7fELF", "latin1");
  header.set([2, 1, 1], 4); // 64 bits, little-endian, version 1
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(62, 18); // x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(entry, 24);
  header.writeBigUInt64LE(BigInt(headerLength), 32); // program headers follow this one
  header.writeUInt16LE(headerLength, 52);
  header.writeUInt16LE(programHeaderLength, 54);
  header.writeUInt16LE(1, 56); // one program header
  return header;
}

function programHeader(fileLength: bigint): Buffer {
  const header = Buffer.alloc(programHeaderLength);
  header.writeUInt32LE(1, 0); // loadable
  header.writeUInt32LE(5, 4); // readable, executable
  header.writeBigUInt64LE(loadAddress, 16);
  header.writeBigUInt64LE(loadAddress, 24);
  header.writeBigUInt64LE(fileLength, 32);
  header.writeBigUInt64LE(fileLength, 40);
  header.writeBigUInt64LE(0x1000n, 48); // alignment
  return header;
}

function bytesOf(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}
