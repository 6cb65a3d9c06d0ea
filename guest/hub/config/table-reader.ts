import { GuestError, messageOf } from "../../core/errors.ts";
import { isTomlTable, parseToml, type TomlTable, type TomlValue } from "../../core/toml.ts";

/**
 * Reads the keys of a TOML document, each with its type. Every error names the key, as `cdh.toml: kbc.name must be …`, and never
 * shows a value. Keys that nobody asks for are remembered: files of the reference may hold some, since its readers ignore them.
 */
export class TableReader {
  readonly #table: TomlTable;
  readonly #document: string;
  readonly #prefix: string;
  readonly #unknown: Set<string>;

  /** @throws GuestError `invalid-argument` when the document is no TOML */
  static parse(document: string, text: string): TableReader {
    try {
      return new TableReader(parseToml(text), document, "", new Set());
    } catch (cause) {
      throw new GuestError("invalid-argument", `${document}: ${messageOf(cause)}`, { cause });
    }
  }

  private constructor(table: TomlTable, document: string, prefix: string, unknown: Set<string>) {
    this.#table = table;
    this.#document = document;
    this.#prefix = prefix;
    this.#unknown = unknown;
    for (const key of Object.keys(table)) unknown.add(prefix + key);
  }

  /** Full names of keys, tables included, that were not read so far. */
  get unknownKeys(): readonly string[] {
    return [...this.#unknown].sort();
  }

  /** @returns undefined when the key is missing */
  optionalString(key: string): string | undefined {
    return this.#read(key, "text", (value) => (typeof value === "string" ? value : undefined));
  }

  string(key: string): string {
    return this.#required(key, this.optionalString(key));
  }

  boolean(key: string, fallback: boolean): boolean {
    return this.#read(key, "true or false", (value) => (typeof value === "boolean" ? value : undefined)) ?? fallback;
  }

  integer(key: string, fallback: number, range: { readonly min: number; readonly max: number }): number {
    const expected = `a whole number from ${range.min} to ${range.max}`;
    const accept = (value: TomlValue): number | undefined =>
      typeof value === "number" && Number.isInteger(value) && value >= range.min && value <= range.max
        ? value
        : undefined;
    return this.#read(key, expected, accept) ?? fallback;
  }

  choice<T extends string>(key: string, values: readonly T[], fallback: T): T {
    return (
      this.#read(key, `one of ${values.join(", ")}`, (value) => values.find((known) => known === value)) ?? fallback
    );
  }

  strings(key: string): readonly string[] {
    const isText = (item: TomlValue): item is string => typeof item === "string";
    const accept = (value: TomlValue): readonly string[] | undefined =>
      Array.isArray(value) && value.every(isText) ? value : undefined;
    return this.#read(key, "a list of texts", accept) ?? [];
  }

  /** @returns undefined when there is no such table */
  table(key: string): TableReader | undefined {
    const table = this.#read(key, "a table", (value) => (isTomlTable(value) ? value : undefined));
    return table === undefined ? undefined : this.#child(table, key);
  }

  tables(key: string): readonly TableReader[] {
    const accept = (value: TomlValue): readonly TomlTable[] | undefined =>
      Array.isArray(value) && value.every(isTomlTable) ? value : undefined;
    const tables = this.#read(key, "a list of tables", accept) ?? [];
    return tables.map((table, index) => this.#child(table, `${key}[${index}]`));
  }

  /** Runs a parser over a key's text; the error it throws gets the key's name. Undefined when the key is missing. */
  parsed<T>(key: string, parse: (text: string) => T): T | undefined {
    const text = this.optionalString(key);
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch (cause) {
      throw this.error(key, messageOf(cause), cause);
    }
  }

  /** As {@link parsed}, for a key that must be there. */
  requiredParsed<T>(key: string, parse: (text: string) => T): T {
    return this.#required(key, this.parsed(key, parse));
  }

  /** An error about a key of this table. */
  error(key: string, problem: string, cause?: unknown): GuestError {
    return new GuestError("invalid-argument", `${this.#document}: ${this.#prefix}${key} ${problem}`, { cause });
  }

  #child(table: TomlTable, name: string): TableReader {
    return new TableReader(table, this.#document, `${this.#prefix}${name}.`, this.#unknown);
  }

  #required<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw this.error(key, "is missing");
    return value;
  }

  #read<T>(key: string, expected: string, accept: (value: TomlValue) => T | undefined): T | undefined {
    this.#unknown.delete(this.#prefix + key);
    const value = this.#table[key];
    if (value === undefined) return undefined;
    const accepted = accept(value);
    if (accepted === undefined) throw this.error(key, `must be ${expected}`);
    return accepted;
  }
}
