/** The part of the WebAssembly interface that the kernel uses; Node's types leave it to those of the browser. */
declare namespace WebAssembly {
  type ImportValue = unknown;
  type Exports = Record<string, unknown>;
  type Imports = Record<string, Record<string, ImportValue>>;
  interface Descriptor {
    name: string;
    kind: string;
  }
  class Module {
    constructor(bytes: Uint8Array);
    private readonly compiled: true;
    static imports(module: Module): Descriptor[];
    static exports(module: Module): Descriptor[];
  }
  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Exports;
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum: number });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  class RuntimeError extends Error {}
  function compile(bytes: Uint8Array): Promise<Module>;
}
