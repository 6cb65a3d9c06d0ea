/** One entry for {@link tarEntry}. Everything has a harmless default, and nothing is checked: tests write broken archives, too. */
export interface TarEntryInit {
  readonly name: string | Buffer;
  /** Type flag; "0", a file, when absent. */
  readonly type?: string;
  readonly content?: Uint8Array | string;
  /** Size in the header when it isn't that of the content. */
  readonly size?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since the epoch. */
  readonly mtime?: number;
  readonly linkName?: string | Buffer;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  /** Records of an extended header before the entry. */
  readonly pax?: Readonly<Record<string, string | Buffer>>;
  readonly magic?: "posix" | "gnu" | "none";
  readonly prefix?: string;
}

const blockSize = 512;

/** An entry with its extended header, content and padding. */
export function tarEntry(init: TarEntryInit): Buffer {
  const content = Buffer.from(init.content ?? "");
  const parts = [tarHeader(init), padded(content)];
  return Buffer.concat(init.pax === undefined ? parts : [paxHeader(init.pax), ...parts]);
}

/** Entries, or bytes taken as they are, with an end marker. */
export function tarArchive(entries: readonly (TarEntryInit | Buffer)[]): Buffer {
  const blocks = entries.map((entry) => (Buffer.isBuffer(entry) ? entry : tarEntry(entry)));
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockSize)]);
}

/** A header block with a right checksum. */
export function tarHeader(init: TarEntryInit): Buffer {
  const block = Buffer.alloc(blockSize);
  Buffer.from(init.name).copy(block, 0, 0, 100);
  octal(block, 100, 8, init.mode ?? 0o644);
  octal(block, 108, 8, init.uid ?? 0);
  octal(block, 116, 8, init.gid ?? 0);
  octal(block, 124, 12, init.size ?? Buffer.byteLength(init.content ?? ""));
  octal(block, 136, 12, init.mtime ?? 1_700_000_000);
  block.write(init.type ?? "0", 156, "latin1");
  Buffer.from(init.linkName ?? "").copy(block, 157, 0, 100);
  const magic = init.magic ?? "posix";
  if (magic !== "none") block.write(magic === "posix" ? "ustar\x0000" : "ustar  \0", 257, "latin1");
  octal(block, 329, 8, init.deviceMajor ?? 0);
  octal(block, 337, 8, init.deviceMinor ?? 0);
  block.write(init.prefix ?? "", 345, "latin1");
  return withChecksum(block);
}

/** Puts the right checksum into a header block, in place. */
export function withChecksum(block: Buffer): Buffer {
  block.fill(0x20, 148, 156);
  const sum = block.subarray(0, blockSize).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** An extended header (type `x`, or `g` for all entries behind it). */
export function paxHeader(records: Readonly<Record<string, string | Buffer>>, type = "x"): Buffer {
  const content = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, Buffer.from(value))));
  return tarEntry({ name: "PaxHeader", type, content });
}

/** `<length> <key>=<value>\n`, the length counting itself. */
export function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** GNU's header for a long name (`L`) or link target (`K`). */
export function gnuLongHeader(type: "L" | "K", name: string | Buffer): Buffer {
  const content = Buffer.concat([Buffer.from(name), Buffer.alloc(1)]);
  return tarEntry({ name: "././@LongLink", type, content, magic: "gnu" });
}

function octal(block: Buffer, offset: number, width: number, value: number): void {
  const text = value.toString(8);
  if (text.length < width) block.write(text.padStart(width - 1, "0"), offset, "latin1");
  else base256(block.subarray(offset, offset + width), value);
}

function base256(field: Buffer, value: number): void {
  let rest = BigInt(value);
  for (let index = field.length - 1; index > 0; index--) {
    field[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  field[0] = 0x80;
}

function padded(content: Buffer): Buffer {
  const padding = (blockSize - (content.length % blockSize)) % blockSize;
  return Buffer.concat([content, Buffer.alloc(padding)]);
}
