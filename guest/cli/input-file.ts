import type { CommandIo } from "../core/command.ts";
import { GuestError, messageOf } from "../core/errors.ts";
import { readFileBounded } from "../sys/file.ts";

/**
 * Reads a file that the command line names; `-` is standard input.
 *
 * @throws GuestError `invalid-argument` naming the file
 */
export async function readInputFile(file: string, maxBytes: number, io: CommandIo): Promise<Uint8Array> {
  if (file === "-") return readStream(io.stdin, maxBytes);
  try {
    return new Uint8Array(readFileBounded(file, maxBytes));
  } catch (cause) {
    throw new GuestError("invalid-argument", `${file}: ${messageOf(cause)}`, { cause });
  }
}

async function readStream(stream: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > maxBytes) throw new GuestError("invalid-argument", `standard input: more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
