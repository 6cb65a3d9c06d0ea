import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { GuestError } from "../../core/errors.ts";
import { pathExists } from "../file.ts";
import { maxTpmMessageBytes, socketTimeoutMs } from "./limits.ts";

/** Carries commands to a TPM, one at a time. */
export interface TpmTransport {
  /** Sends a whole command and gives the whole answer. @throws GuestError `unavailable` */
  exchange(command: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The kernel's resource manager first: the plain device has room for one opener. */
const devices = ["/dev/tpmrm0", "/dev/tpm0"];

/** Tag, size and code of a message. */
const headerBytes = 10;

/** Where the TPM is; undefined when the machine has none. */
export function findTpmDevice(): string | undefined {
  return devices.find(pathExists);
}

/**
 * Opens a TPM's character device (spec/tee-abi.md 6). One write is a command, one large read its answer; both happen outside of the
 * main thread, since the kernel blocks until the TPM is done.
 *
 * @throws GuestError `unavailable`; a plain device that another program has open says EBUSY
 */
export async function openTpmDevice(path: string): Promise<TpmTransport> {
  let file: FileHandle;
  try {
    file = await open(path, "r+");
  } catch (cause) {
    throw new GuestError("unavailable", `the TPM ${path} can't be opened`, { cause });
  }
  return {
    exchange: async (command) => {
      try {
        await file.write(command, 0, command.length, null);
        const answer = Buffer.alloc(maxTpmMessageBytes);
        const { bytesRead } = await file.read(answer, 0, answer.length, null);
        return answer.subarray(0, bytesRead);
      } catch (cause) {
        throw new GuestError("unavailable", `the TPM ${path} does not answer`, { cause });
      }
    },
    close: () => file.close(),
  };
}

/**
 * Connects to a TPM simulator that takes bare commands by a socket, such as swtpm.
 *
 * @throws GuestError `unavailable`
 */
export async function connectTpmSocket(
  address: { readonly path: string } | { readonly host: string; readonly port: number },
): Promise<TpmTransport> {
  const socket = connect(address);
  socket.on("error", () => {}); // Each exchange sees it, too; between them there is nobody to tell.
  try {
    await settle(socket, "connect");
  } catch (cause) {
    throw new GuestError("unavailable", "the TPM's socket can't be reached", { cause });
  }
  return {
    exchange: (command) => exchangeOverSocket(socket, command),
    close: async () => void socket.destroy(),
  };
}

async function exchangeOverSocket(socket: Socket, command: Uint8Array): Promise<Uint8Array> {
  let answer = Buffer.alloc(0);
  try {
    socket.write(command);
    while (answer.length < headerBytes || answer.length < answer.readUInt32BE(2)) {
      const piece: Buffer | null = socket.read();
      if (piece === null) await settle(socket, "readable");
      else answer = Buffer.concat([answer, piece]);
      if (answer.length > maxTpmMessageBytes) throw new RangeError(`more than ${maxTpmMessageBytes} bytes`);
    }
    return answer;
  } catch (cause) {
    socket.destroy(); // What comes later would be taken for the answer to the next command.
    throw new GuestError("unavailable", "the TPM behind the socket does not answer", { cause });
  }
}

/** Waits for an event of a socket, or for its end. */
function settle(socket: Socket, event: "connect" | "readable"): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(new Error(`nothing for ${socketTimeoutMs} ms`)), socketTimeoutMs);
    const onEvent = (): void => finish();
    const onError = (error: Error): void => finish(error);
    const onClose = (): void => finish(new Error("the connection was closed"));
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      socket.off(event, onEvent).off("error", onError).off("close", onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.on(event, onEvent).on("error", onError).on("close", onClose);
    if (socket.destroyed) onClose();
  });
}
