import type { Era, GuestLanguage, VerifiedActorClaims } from "../lattice/index.ts";

/**
 * A verified module, instrumented and compiled: what engines run. Made once per host on the loader
 * thread and posted to engines; plain data and a `WebAssembly.Module`, so it survives the posting.
 */
export interface PreparedModule {
  /** Compiled from the instrumented bytes. */
  readonly module: WebAssembly.Module;
  /** M key. */
  readonly key: string;
  /** Lower-case hex SHA-256 of the signed file. */
  readonly digest: string;
  readonly claims: VerifiedActorClaims;
  readonly era: Era;
  readonly language: GuestLanguage;
  /** Parameters of `__host_call`; 0 when it is not imported. */
  readonly hostCallParameters: number;
  /** The guest's own imports. */
  readonly imports: readonly { readonly module: string; readonly name: string }[];
  /** Exports to run once in a new instance, in this order. */
  readonly startup: readonly string[];
  /** Content of the name section, kept for traps. */
  readonly names: Uint8Array | undefined;
  /** How function indices of the running module differ from those of the file. */
  readonly shift: FunctionShift;
  /** Linear memory that one instance may reach, in bytes. */
  readonly memoryBytes: number;
  /** Bytes of the file, and of the code that runs. */
  readonly sizes: { readonly file: number; readonly code: number };
}

export interface FunctionShift {
  /** Functions that the guest imports. */
  readonly imported: number;
  /** Imports added behind them: by so much every defined function moved. */
  readonly added: number;
  /** Functions that the guest defines. */
  readonly defined: number;
}
