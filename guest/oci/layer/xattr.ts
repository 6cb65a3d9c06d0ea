import type { Directory } from "../../sys/directory.ts";
import { isErrno } from "../../sys/system-error.ts";
import { ImageError } from "../errors.ts";
import type { ImageLimits } from "../limits.ts";
import { quoteName, type TarEntry, tarError } from "../tar/entry.ts";

/**
 * Extended attributes that a layer may set: `security.capability` on files, `user.*` on files and directories. Attributes of
 * the `trusted` namespace steer overlayfs (opaque, redirect, metacopy) and are refused; all others (labels of the builder's
 * SELinux, ACLs of its file system) mean nothing here and are left out (threat model row 107).
 *
 * To be called after the change of owner, which clears capabilities.
 *
 * @throws ImageError `invalid-image`, `limit`; SystemError
 */
export function setAllowedXattrs(directory: Directory, name: Buffer, entry: TarEntry, limits: ImageLimits): void {
  let total = 0;
  for (const [attribute, value] of entry.xattrs) {
    total += attribute.length + value.length;
    if (total > limits.maxXattrBytes) {
      throw new ImageError(
        "limit",
        `the extended attributes of ${quoteName(entry.path)} exceed ${limits.maxXattrBytes} bytes`,
      );
    }
    if (attribute.startsWith("trusted.")) {
      throw tarError(`${quoteName(entry.path)} sets the attribute ${attribute.slice(0, 100)}`);
    }
    if (isAllowed(attribute, entry)) setXattr(directory, name, attribute, value);
  }
}

function isAllowed(attribute: string, { type }: TarEntry): boolean {
  if (attribute === "security.capability") return type === "file";
  const plainUser = attribute.startsWith("user.") && !attribute.startsWith("user.overlay.");
  return plainUser && (type === "file" || type === "directory");
}

function setXattr(directory: Directory, name: Buffer, attribute: string, value: Buffer): void {
  try {
    directory.setAttribute(name, attribute, value);
  } catch (error) {
    // tmpfs knows `user` attributes since Linux 6.6 only. They are decoration; capabilities are not.
    if (!attribute.startsWith("user.") || !isErrno(error, "ENOTSUP", "EOPNOTSUPP")) throw error;
  }
}
