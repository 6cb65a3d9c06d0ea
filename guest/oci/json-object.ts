import { ImageError, type ImageErrorKind } from "./errors.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * A JSON object from outside, read member by member with its type checked. Members are looked up as own properties only,
 * and maps come out as `Map`, so that names like `__proto__` mean nothing.
 */
export class JsonObject {
  /** Where the object stands, for errors: `manifest`, `manifest.layers[2]`. */
  readonly where: string;
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #kind: ImageErrorKind;

  private constructor(members: Readonly<Record<string, unknown>>, where: string, kind: ImageErrorKind) {
    this.#members = members;
    this.where = where;
    this.#kind = kind;
  }

  /**
   * @param where names the document in errors
   * @param kind of the errors that this object and those inside it throw
   * @throws ImageError when the bytes are not UTF-8, not JSON or not an object
   */
  static parse(bytes: Uint8Array, where: string, kind: ImageErrorKind = "invalid-image"): JsonObject {
    try {
      return JsonObject.from(JSON.parse(utf8.decode(bytes)), where, kind);
    } catch (error) {
      if (error instanceof ImageError) throw error;
      // The parser's own message quotes the document, which may hold secrets: it goes no further.
      throw new ImageError(kind, `the ${where} is no JSON text`);
    }
  }

  static from(value: unknown, where: string, kind: ImageErrorKind = "invalid-image"): JsonObject {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ImageError(kind, `${where} is no JSON object`);
    }
    // The check above leaves objects only.
    return new JsonObject(value as Record<string, unknown>, where, kind);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** The member, or undefined when it is absent or null, which Go's writers use for "absent". */
  get(name: string): unknown {
    return Object.hasOwn(this.#members, name) ? (this.#members[name] ?? undefined) : undefined;
  }

  names(): string[] {
    return Object.keys(this.#members);
  }

  /** @throws ImageError when there is a member that none of these names */
  refuseOthers(known: readonly string[]): void {
    const unknown = this.names().find((name) => !known.includes(name));
    if (unknown === undefined) return;
    throw new ImageError(this.#kind, `${this.where} has the unknown member ${JSON.stringify(unknown.slice(0, 100))}`);
  }

  string(name: string): string {
    return this.optionalString(name) ?? this.#missing(name);
  }

  optionalString(name: string): string | undefined {
    const value = this.get(name);
    return value === undefined || typeof value === "string" ? value : this.#wrong(name, "text");
  }

  /** A whole number from 0 that a double holds exactly. */
  naturalNumber(name: string): number {
    const value = this.get(name) ?? this.#missing(name);
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.#wrong(name, "a whole number from 0");
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.get(name);
    return value === undefined || typeof value === "boolean" ? value : this.#wrong(name, "true or false");
  }

  object(name: string): JsonObject {
    return this.optionalObject(name) ?? this.#missing(name);
  }

  optionalObject(name: string): JsonObject | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : JsonObject.from(value, `${this.where}.${name}`, this.#kind);
  }

  objects(name: string): JsonObject[] {
    const value = this.get(name) ?? this.#missing(name);
    if (!Array.isArray(value)) return this.#wrong(name, "a list");
    return value.map((item, index) => JsonObject.from(item, `${this.where}.${name}[${index}]`, this.#kind));
  }

  /** A list of texts; an absent one is empty. */
  strings(name: string): string[] {
    const value = this.get(name) ?? [];
    if (!Array.isArray(value)) return this.#wrong(name, "a list");
    return value.map((item) => (typeof item === "string" ? item : this.#wrong(name, "a list of texts")));
  }

  /** An object whose members are all texts; an absent one is empty. */
  stringMap(name: string): ReadonlyMap<string, string> {
    const object = this.optionalObject(name);
    return new Map(object?.names().map((key) => [key, object.optionalString(key) ?? ""]));
  }

  #missing(name: string): never {
    throw new ImageError(this.#kind, `${this.where} lacks ${name}`);
  }

  #wrong(name: string, expected: string): never {
    throw new ImageError(this.#kind, `${this.where}.${name} is not ${expected}`);
  }
}
