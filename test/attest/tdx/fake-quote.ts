/** What a test wants in a quote. */
export interface FakeQuote {
  readonly version?: 4 | 5;
  /** Version 5 only: 2 is TDX 1.0, 3 is TDX 1.5. */
  readonly bodyType?: 2 | 3;
  readonly reportData?: Uint8Array;
  readonly mrConfigId?: Uint8Array;
  readonly rtmr?: readonly Uint8Array[];
  readonly attributes?: bigint;
  readonly padding?: number;
}

/** Where the body of a quote starts. */
export function bodyOffset({ version = 4 }: FakeQuote): number {
  return version === 4 ? 48 : 54;
}

/** A quote with its parts in the right places; nobody has signed it. */
export function createFakeQuote(options: FakeQuote = {}): Buffer {
  const { version = 4, bodyType = 2, padding = 0 } = options;
  const bodyBytes = version === 5 && bodyType === 3 ? 648 : 584;
  const start = bodyOffset(options);
  const signatureData = Buffer.alloc(100, 0x5a);
  const quote = Buffer.alloc(start + bodyBytes + 4 + signatureData.length + padding);
  quote.writeUInt16LE(version, 0);
  quote.writeUInt16LE(2, 2);
  quote.writeUInt32LE(0x81, 4);
  if (version === 5) {
    quote.writeUInt16LE(bodyType, 48);
    quote.writeUInt32LE(bodyBytes, 50);
  }
  quote.writeBigUInt64LE(options.attributes ?? 0n, start + 120);
  quote.fill(0x7d, start + 136, start + 184);
  quote.set(options.mrConfigId ?? Buffer.alloc(48), start + 184);
  (options.rtmr ?? []).forEach((value, index) => void quote.set(value, start + 328 + 48 * index));
  quote.set(options.reportData ?? Buffer.alloc(64), start + 520);
  quote.writeUInt32LE(signatureData.length, start + bodyBytes);
  quote.set(signatureData, start + bodyBytes + 4);
  return quote;
}
