import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathInTools, runInTools } from "../tools-tree.ts";

/**
 * Writes a disk with user data as cloud-api-adaptor makes it for libvirt: ISO 9660 with the label `cidata` (spec/userdata.md 7).
 *
 * @param files content by path in the guest
 * @returns path of the ISO file, in the folder
 */
export function writeCidata(folder: string, files: ReadonlyMap<string, string>): string {
  const content = join(folder, "cidata");
  const iso = join(folder, "cidata.iso");
  mkdirSync(content);
  writeFileSync(join(content, "user-data"), cloudConfigOf(files));
  writeFileSync(join(content, "meta-data"), "local-hostname: podvm-demo-0a1b2c3d\n");
  writeFileSync(join(content, "vendor-data"), "");
  runInTools("xorriso", [
    ...["-as", "mkisofs", "-quiet", "-volid", "cidata", "-joliet", "-rock"],
    ...["-output", pathInTools(iso), pathInTools(content)],
  ]);
  return iso;
}

/** A cloud-config with nothing but files, every content a literal block. */
export function cloudConfigOf(files: ReadonlyMap<string, string>): string {
  const entries = [...files].map(([path, content]) => {
    const block = content.replace(/\n$/, "").replaceAll(/^/gm, "      ");
    return `  - path: ${path}\n    content: |\n${block}\n`;
  });
  return `#cloud-config\n\nwrite_files:\n${entries.join("")}`;
}
