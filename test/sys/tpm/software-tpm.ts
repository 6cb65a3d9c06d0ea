import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { defineNv, writeNv } from "../../../guest/sys/tpm/nv.ts";
import { Tpm } from "../../../guest/sys/tpm/tpm.ts";
import { connectTpmSocket, type TpmTransport } from "../../../guest/sys/tpm/transport.ts";
import { sized, uint8, uint16, uint32 } from "../../../guest/sys/tpm/wire.ts";

const program = ["/usr/bin/swtpm", "/usr/local/bin/swtpm"].find(existsSync);

/** Whether this machine has swtpm. Tests that need it are skipped aloud without. */
export const hasSoftwareTpm = program !== undefined;

if (!hasSoftwareTpm) console.warn("swtpm is missing (Debian package swtpm): TPM tests are skipped");

const owner = 0x4000_0001;
const nothing = sized(new Uint8Array(0));

/** A TPM 2.0 of the test's own: swtpm, started and ready, with state of its own. */
export class SoftwareTpm implements AsyncDisposable {
  readonly transport: TpmTransport;
  readonly tpm: Tpm;
  readonly #stop: () => Promise<void>;

  private constructor(transport: TpmTransport, stop: () => Promise<void>) {
    this.transport = transport;
    this.tpm = new Tpm(transport);
    this.#stop = stop;
  }

  static async start(): Promise<SoftwareTpm> {
    if (program === undefined) throw new Error("there is no swtpm");
    const directory = mkdtempSync(join(tmpdir(), "podkeep-tpm-"));
    const socket = join(directory, "socket");
    const child = spawn(
      program,
      [
        ...["socket", "--tpm2", "--tpmstate", `dir=${directory}`, "--server", `type=unixio,path=${socket}`],
        ...["--ctrl", `type=unixio,path=${join(directory, "control")}`, "--flags", "not-need-init,startup-clear"],
      ],
      { stdio: "ignore" },
    );
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const stop = async (): Promise<void> => {
      child.kill("SIGKILL");
      await exited;
      rmSync(directory, { recursive: true, force: true });
    };
    try {
      return new SoftwareTpm(await connected(socket), stop);
    } catch (error) {
      await stop();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tpm.close();
    await this.#stop();
  }

  /** Makes an attestation key as Azure's firmware does (RSA 2048, restricted, RSASSA with SHA-256) at a persistent handle. */
  async provisionAttestationKey(handle: number): Promise<void> {
    const signing = 0x0005_0072; // sign, restricted, userWithAuth, sensitiveDataOrigin, fixedParent, fixedTPM
    const area = [uint16(0x0001), uint16(0x000b), uint32(signing), nothing, uint16(0x0010)];
    const parameters = [uint16(0x0014), uint16(0x000b), uint16(2048), uint32(0), nothing];
    const sensitive = sized(Buffer.concat([nothing, nothing]));
    const created = await this.#executeForHandle(
      encode(0x131, [owner], [sensitive, sized(Buffer.concat([...area, ...parameters])), nothing, uint32(0)]),
    );
    await this.#execute(encode(0x120, [owner, created], [uint32(handle)]));
    await this.#execute(Buffer.concat([uint16(0x8001), uint32(14), uint32(0x165), uint32(created)]));
  }

  /** Defines an NV index with this content. */
  async provisionNv(index: number, content: Uint8Array): Promise<void> {
    await defineNv(this.tpm, index, content.length);
    for (let offset = 0; offset < content.length; offset += 1024) {
      await writeNv(this.tpm, index, content.subarray(offset, offset + 1024), offset);
    }
  }

  async #execute(command: Uint8Array): Promise<Buffer> {
    const answer = Buffer.from(await this.transport.exchange(command));
    const code = answer.readUInt32BE(6);
    if (code !== 0) throw new Error(`provisioning the TPM failed: 0x${code.toString(16)}`);
    return answer;
  }

  async #executeForHandle(command: Uint8Array): Promise<number> {
    return (await this.#execute(command)).readUInt32BE(10);
  }
}

/** A command with an empty password for its first handle. */
function encode(code: number, handles: readonly number[], parameters: readonly Uint8Array[]): Buffer {
  const password = Buffer.concat([uint32(9), uint32(0x4000_0009), uint16(0), uint8(0), uint16(0)]);
  const body = Buffer.concat([...handles.map(uint32), password, ...parameters]);
  return Buffer.concat([uint16(0x8002), uint32(10 + body.length), uint32(code), body]);
}

/** The socket's file is there a moment before anybody listens on it. */
async function connected(path: string): Promise<TpmTransport> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connectTpmSocket({ path });
    } catch (error) {
      if (attempt === 400) throw error;
      await setTimeout(25);
    }
  }
}
