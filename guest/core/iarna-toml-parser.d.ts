declare module "@iarna/toml/lib/toml-parser.js" {
  /** The library's push parser. The three methods receive every key of a document, unescaped, before it is used. */
  // biome-ignore lint/style/noDefaultExport: the library's module is the class
  export default class TomlParser {
    parse(text: string): void;
    finish(): Record<string, unknown>;
    /** Where parsing is, counted from 0. */
    readonly line: number;
    readonly col: number;
    protected recordAssignKeyword(key: string): unknown;
    protected parseTableMore(key: string): unknown;
    protected parseListMore(key: string): unknown;
  }
}
