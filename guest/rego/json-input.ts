/** Plain JSON data with exact integers. */

/** What a caller hands in as input or data, and what `toJson` gives back: JSON with exact integers. */
export type JsonInput =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonInput[]
  | { readonly [key: string]: JsonInput };

/** A JSON object. */
export type JsonRecord = { readonly [key: string]: JsonInput };
