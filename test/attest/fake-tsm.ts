import type { TsmFiles } from "../../guest/attest/tsm/tsm-report.ts";
import { GuestError } from "../../guest/core/errors.ts";

/** Makes the blobs of a report over `inblob`. */
export type FakeProvider = (inblob: Buffer) => { readonly outblob: Uint8Array; readonly auxblob?: Uint8Array };

/** An errno as sys/ throws it. */
export function errno(name: string): GuestError & { readonly errno: string } {
  return Object.assign(new GuestError("internal", `${name}: fake`), { errno: name });
}

interface Entry {
  inblob: Buffer | undefined;
  generation: number;
}

/**
 * configfs-tsm as the kernel has it: entries, a generation that counts writes, a report that is made when it is read, EINVAL before
 * anything was written. Failures and other writers can be arranged.
 */
export class FakeTsm implements TsmFiles {
  readonly entries = new Map<string, Entry>();
  /** Thrown one by one when a report is read. */
  readonly failures: string[] = [];
  /** How many of the next reports another program spoils by a write of its own. */
  otherWriters = 0;
  attempts = 0;
  readonly #provider: string;
  readonly #make: FakeProvider;

  constructor(provider: string, make: FakeProvider) {
    this.#provider = provider;
    this.#make = make;
  }

  createEntry(): string {
    const name = `entry-${this.attempts++}`;
    this.entries.set(name, { inblob: undefined, generation: 0 });
    return name;
  }

  async write(name: string, attribute: string, content: Uint8Array): Promise<void> {
    const entry = this.#entry(name);
    if (attribute !== "inblob") throw errno("EACCES");
    if (content.length > 64) throw errno("EFBIG");
    entry.inblob = Buffer.from(content);
    entry.generation += 1;
  }

  async read(name: string, attribute: string): Promise<Uint8Array> {
    const entry = this.#entry(name);
    if (attribute === "provider") return Buffer.from(`${this.#provider}\n`);
    if (attribute === "generation") return Buffer.from(`${entry.generation}\n`);
    if (entry.inblob?.length !== 64) throw errno("EINVAL");
    const failure = attribute === "outblob" ? this.failures.shift() : undefined;
    if (failure !== undefined) throw errno(failure);
    if (attribute === "outblob" && this.otherWriters > 0) {
      this.otherWriters -= 1;
      entry.inblob = Buffer.alloc(64, 0xee);
      entry.generation += 1;
    }
    const { outblob, auxblob } = this.#make(entry.inblob);
    const blob = attribute === "outblob" ? outblob : attribute === "auxblob" ? auxblob : undefined;
    if (blob === undefined) throw errno("ENOENT");
    return blob;
  }

  removeEntry(name: string): void {
    if (!this.entries.delete(name)) throw errno("ENOENT");
  }

  #entry(name: string): Entry {
    const entry = this.entries.get(name);
    if (entry === undefined) throw errno("ENOENT");
    return entry;
  }
}
