/**
 * The part of the WebAssembly JavaScript API that this package uses, JavaScript Promise Integration
 * included. Neither TypeScript's own library without the DOM nor Node's types declare it.
 * Source: WebAssembly JavaScript Interface 3.0; JavaScript Promise Integration proposal.
 */
declare namespace WebAssembly {
  type ExternalKind = "function" | "table" | "memory" | "global" | "tag";
  type Bytes = ArrayBuffer | ArrayBufferView;
  type ImportValue = Function | Suspending | Memory | Global | Table | number;
  type Imports = Record<string, Record<string, ImportValue>>;
  type ExportValue = Function | Memory | Global | Table;

  interface ModuleImportDescriptor {
    readonly module: string;
    readonly name: string;
    readonly kind: ExternalKind;
  }

  interface ModuleExportDescriptor {
    readonly name: string;
    readonly kind: ExternalKind;
  }

  class Module {
    constructor(bytes: Bytes);
    static imports(module: Module): ModuleImportDescriptor[];
    static exports(module: Module): ModuleExportDescriptor[];
    static customSections(module: Module, name: string): ArrayBuffer[];
  }

  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Readonly<Record<string, ExportValue>>;
  }

  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    /** Another object after each growth; the one before is detached and has length 0. */
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }

  class Table {
    constructor(descriptor: { element: "anyfunc" | "externref"; initial: number; maximum?: number });
    readonly length: number;
  }

  class Global {
    constructor(descriptor: { value: "i32" | "i64" | "f32" | "f64"; mutable?: boolean }, value?: number | bigint);
    value: number;
  }

  interface Tag {
    readonly [Symbol.toStringTag]: "WebAssembly.Tag";
  }
  const Tag: new (type: { parameters: string[] }) => Tag;

  /** An error that wasm code threw with an exception tag of its own and nobody caught. */
  class Exception extends Error {
    constructor(tag: Tag, payload: unknown[]);
  }

  class RuntimeError extends Error {}
  class CompileError extends Error {}
  class LinkError extends Error {}

  /** An import that suspends the coroutine of its caller until the promise it answers settles. */
  interface Suspending {
    readonly [Symbol.toStringTag]: "WebAssembly.Suspending";
  }
  const Suspending: new (work: (...parameters: never[]) => unknown) => Suspending;

  /** An export that starts a coroutine; the promise settles when it returns or traps. */
  function promising(exported: Function): (...parameters: number[]) => Promise<unknown>;

  function validate(bytes: Bytes): boolean;
}
