/** The part of WebAssembly's interface that wasm-engine.ts uses; TypeScript ships it with the types of browsers only. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }
  interface Instance {
    readonly exports: Readonly<Record<string, unknown>>;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  interface MemoryDescriptor {
    readonly initial: number;
    readonly maximum?: number;
  }
  interface WebAssemblyInstantiatedSource {
    readonly instance: Instance;
  }
}
