import { libc } from "./libc.ts";
import { maxAttributeBytes } from "./limits.ts";
import { cString, isErrno, lastError } from "./system-error.ts";

/**
 * Extended attributes of the file at a path, xattr(7). A link at the end is not followed; the part before it must be safe,
 * such as that of a held descriptor.
 */

/** Names and values of all attributes. Attributes that vanish meanwhile are left out. @throws SystemError */
export function readAttributes(path: Uint8Array): Map<string, Buffer> {
  const checked = cString(path, "llistxattr");
  const list = Buffer.allocUnsafe(maxAttributeBytes);
  const length = Number(libc.llistxattr(checked, list, BigInt(list.length)));
  if (length < 0) {
    const error = lastError("llistxattr", path);
    if (isErrno(error, "ENOTSUP")) return new Map();
    throw error;
  }
  const attributes = new Map<string, Buffer>();
  for (const name of list.toString("utf8", 0, length).split("\0")) {
    const value = name === "" ? undefined : readAttribute(path, name);
    if (value !== undefined) attributes.set(name, value);
  }
  return attributes;
}

/** The value of an attribute; undefined when the file has none of that name. @throws SystemError */
export function readAttribute(path: Uint8Array, name: string): Buffer | undefined {
  const value = Buffer.allocUnsafe(maxAttributeBytes);
  const length = Number(
    libc.lgetxattr(cString(path, "lgetxattr"), cString(name, "lgetxattr"), value, BigInt(value.length)),
  );
  if (length >= 0) return Buffer.from(value.subarray(0, length));
  const error = lastError("lgetxattr", path);
  if (isErrno(error, "ENODATA")) return undefined;
  throw error;
}

/** Sets an attribute. @throws SystemError, ENOTSUP or EPERM where the file system or the kind of file has none */
export function writeAttribute(path: Uint8Array, name: string, value: Uint8Array): void {
  const result = libc.lsetxattr(cString(path, "lsetxattr"), cString(name, "lsetxattr"), value, BigInt(value.length), 0);
  if (result !== 0) throw lastError("lsetxattr", path);
}
