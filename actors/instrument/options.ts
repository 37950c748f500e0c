/** What the instrumenter is told about one module. */
export interface InstrumentOptions {
  /** The module's file name, for error texts. */
  readonly name: string;
  /** Most bytes its memory may grow to; a module that starts with more is refused. Default 64 MiB. */
  readonly memoryBytes?: number;
  /** Most elements of each of its tables. Default 100 000. */
  readonly tableElements?: number;
  /**
   * Imports whose answer may come later: they return PENDING, and the guest suspends until `wait`
   * resolves to their real result. Each must return one i32. Default: `__host_call` of waPC and
   * `poll_oneoff` of WASI.
   */
  readonly suspendable?: (module: string, name: string) => boolean;
  /** Imports after which the guest must not run on. Default: `proc_exit` of WASI. */
  readonly terminal?: (module: string, name: string) => boolean;
}

/** A module made fit to run in an engine; plain data, so it can be posted to another thread. */
export interface Instrumented {
  /** The rewritten module. It validates if the guest's own module does. */
  readonly bytes: Uint8Array;
  /** Bytes of its code section. */
  readonly codeBytes: number;
  /** The guest's name section (its content, after the section's own name), kept aside for traps. */
  readonly names: Uint8Array | undefined;
  /** How function indices of `bytes` differ from the guest's own. */
  readonly shift: { readonly imported: number; readonly added: number; readonly defined: number };
  /** Undefined when the guest has none. */
  readonly memory: MemoryLimits | undefined;
  /** Whether `lattice:run` is exported: the guest exports `__guest_call` with its right type. */
  readonly run: boolean;
  /** Whether `lattice:start` is exported: the guest had a start function. */
  readonly start: boolean;
}

/** In pages of 64 KiB. An imported memory must be made with these limits by whoever supplies it. */
export interface MemoryLimits {
  readonly initial: number;
  readonly maximum: number;
  readonly imported: { readonly module: string; readonly name: string } | undefined;
}

/** The result of a suspendable import that is not known yet. */
export const PENDING = -2147483648;
/** The result of `wait` that ends the guest with a trap which none of its code can catch. */
export const KILL = -2147483647;

/** What `poll`, `next` and `done` answer for a call whose lengths do not fit into one number. */
export const LARGE = -2;

/** The module that the rewritten guest imports its meter and mailbox from. */
export const LATTICE = "lattice";

/** Names of the added exports. */
export const exportNames = { run: "lattice:run", fuel: "lattice:fuel", start: "lattice:start" } as const;

export const limits = {
  functions: 100_000,
  /** Types, imports, globals, exports, tags, element and data segments, of each. */
  items: 100_000,
  /** Of one function, and as many results. */
  parameters: 1_000,
  /** Imports that may suspend or end the guest. */
  wrappers: 64,
  bodyBytes: 1024 * 1024,
  /** What V8 compiles. */
  meteredBodyBytes: 7_654_321,
  nesting: 10_000,
  tables: 16,
  /** As V8 counts them, parameters included. */
  locals: 50_000,
  pageBytes: 65_536,
  /** A 32-bit memory of 4 GiB. */
  pages: 65_536,
} as const;
