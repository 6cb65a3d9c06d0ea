/** What an image is for. */
export type Profile = "production" | "debug";

/** The lean image boots kernel and initramfs directly; the disk image goes through UEFI, verity and systemd, with a TPM. */
export type Variant = "disk" | "lean";

/** Whether podkeep starts where the platform leaves the initdata unbound (docs/ATTESTATION.md). */
export type InitdataBinding = "required" | "preferred";

/** What images differ in. */
export interface ImageOptions {
  readonly variant: Variant;
  readonly profile: Profile;
  readonly initdataBinding: InitdataBinding;
}

/** The image's podkeep.toml: what differs from the defaults of docs/CONFIGURATION.md. All of it is measured with the image. */
export function imageConfiguration({ variant, profile, initdataBinding }: ImageOptions): string {
  const isDebug = profile === "debug";
  const lines = [
    ...(isDebug ? ['log_level = "debug"', ""] : []),
    "[agent]",
    "# A worker that connects in this time learns why the start failed.",
    "refusal_seconds = 60",
    // The lean image's own files are in memory, too: of a small VM nothing would be left.
    ...(variant === "disk" ? ["# As much as podkeep.slice holds on to.", "reserved_memory_megabytes = 256"] : []),
    ...(isDebug ? ["# Denials tell the caller why.", "explain_to_host = true"] : []),
    "",
    "[provision]",
    `root = "${variant === "disk" ? "verity" : "any"}"`,
    "# What pods can fill ends before the memory does.",
    'storage_limit = "50%"',
    "",
    "[hub]",
    `initdata_binding = "${initdataBinding}"`,
  ];
  return `# podkeep in the ${variant} image, profile ${profile}. Written by image/build.ts.\n${lines.join("\n")}\n`;
}
