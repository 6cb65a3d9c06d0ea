/** S_IFDIR | 0555 and S_IFREG | 0444. */
const directoryMode = 0o40555;
const fileMode = 0o100444;

/** The end of every archive. systemd-stub has it as a constant, whose length is in upper case, unlike in other entries. */
const trailer: Uint8Array = Buffer.from(
  `070701${[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0].map(word).join("")}0000000B${word(0)}TRAILER!!!\0\0\0\0`,
  "latin1",
);

/**
 * The archive (cpio, format newc) in which systemd-stub hands a section of the UKI to the initrd: the directory `.extra` and one file.
 * Byte by byte as systemd 257 makes it, since the kernel measures it.
 *
 * @param name such as `os-release`
 */
export function encodeExtraArchive(name: string, content: Uint8Array): Uint8Array {
  return Buffer.concat([
    encodeEntry(1, directoryMode, ".extra", new Uint8Array(0)),
    encodeEntry(2, fileMode, `.extra/${name}`, content),
    trailer,
  ]);
}

/** Archives one behind another, each from a multiple of four on, as the kernel wants them. A single one stays as it is. */
export function joinArchives(archives: readonly Uint8Array[]): Uint8Array {
  const [only] = archives;
  if (archives.length === 1 && only !== undefined) return only;
  return Buffer.concat(archives.map(padToFour));
}

/** Inode, mode, owner 0:0, one link, time 0, size, no devices, length of the name with its NUL, no checksum. */
function encodeEntry(inode: number, mode: number, path: string, content: Uint8Array): Uint8Array {
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, path.length + 1, 0];
  const header = Buffer.from(`070701${fields.map(word).join("")}${path}\0`, "latin1");
  return Buffer.concat([padToFour(header), padToFour(content)]);
}

function word(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function padToFour(bytes: Uint8Array): Uint8Array {
  const length = Math.ceil(bytes.length / 4) * 4;
  return length === bytes.length ? bytes : Buffer.concat([bytes], length);
}
