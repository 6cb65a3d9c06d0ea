declare module "@iarna/toml/lib/toml-parser.js" {
  /** The library's push parser. The three methods receive every key of a document, unescaped, before it is used. */
  export default class TomlParser {
    parse(text: string): void;
    finish(): Record<string, unknown>;
    /** Where parsing is. The first line is 0. Its first column is 1, that of the others 0. */
    readonly line: number;
    readonly col: number;
    protected recordAssignKeyword(key: string): unknown;
    protected parseTableMore(key: string): unknown;
    protected parseListMore(key: string): unknown;
  }
}
