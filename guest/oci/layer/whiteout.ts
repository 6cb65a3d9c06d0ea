import type { Directory } from "../../sys/directory.ts";
import type { FileStatus } from "../../sys/file-status.ts";
import { quoteName, tarError } from "../tar/entry.ts";
import type { EntryPath } from "./entry-path.ts";

/**
 * Whiteouts (OCI image spec, layer.md "Whiteouts"): names in an archive that delete something of the layers below, and what
 * overlayfs wants to see in their place.
 */

const prefix = Buffer.from(".wh.");
const opaqueMarker = Buffer.from(".wh..wh..opq");
const aufsPrefix = Buffer.from(".wh..wh.");
const opaqueAttribute = "trusted.overlay.opaque";

/** What a last name in an archive says. */
export type EntryName =
  | { readonly kind: "plain" }
  /** Hides the entry of this name in the layers below. */
  | { readonly kind: "whiteout"; readonly hidden: Buffer }
  /** Hides all that the layers below have in this directory. */
  | { readonly kind: "opaque" }
  /** Book-keeping of AUFS in old images; means nothing. */
  | { readonly kind: "bookkeeping" };

/**
 * @throws ImageError `invalid-image` for a whiteout that would hide `.`, `..` or nothing
 */
export function classifyName(name: Buffer): EntryName {
  if (!startsWith(name, prefix)) return { kind: "plain" };
  if (name.equals(opaqueMarker)) return { kind: "opaque" };
  if (startsWith(name, aufsPrefix)) return { kind: "bookkeeping" };
  const hidden = name.subarray(prefix.length);
  if (hidden.length === 0 || hidden.equals(Buffer.from(".")) || hidden.equals(Buffer.from(".."))) {
    throw tarError(`the whiteout ${quoteName(name)} hides nothing`);
  }
  return { kind: "whiteout", hidden };
}

/**
 * True for a path that belongs to the book-keeping of AUFS.
 *
 * @throws ImageError `invalid-image` when something lies inside a whiteout
 */
export function isBookkeeping(path: EntryPath): boolean {
  return path.some((name, index) => {
    if (name[0] !== prefix[0]) return false;
    const { kind } = classifyName(name);
    const inside = index < path.length - 1;
    if (inside && (kind === "whiteout" || kind === "opaque")) throw tarError(`an entry inside ${quoteName(name)}`);
    return kind === "bookkeeping";
  });
}

/** True for what overlayfs takes as a whiteout: a character device 0:0. */
export function isWhiteout({ kind, specialDevice }: FileStatus): boolean {
  return kind === "character-device" && specialDevice.major === 0 && specialDevice.minor === 0;
}

/** Makes overlayfs hide this name of the layers below. */
export function makeWhiteout(directory: Directory, name: Buffer): void {
  directory.makeNode(name, "character-device", 0);
}

/** Makes overlayfs hide all that the layers below have in a directory. */
export function makeOpaque(parent: Directory, name: Buffer): void {
  parent.setAttribute(name, opaqueAttribute, Buffer.from("y"));
}

/** True when a directory hides what the layers below have in it. */
export function isOpaque(parent: Directory, name: Buffer): boolean {
  return parent.attribute(name, opaqueAttribute)?.toString() === "y";
}

function startsWith(name: Buffer, start: Buffer): boolean {
  return name.subarray(0, start.length).equals(start);
}
