import { setFlagsFromString } from "node:v8";
import { describe, type Era, fail, failFrom, type GuestLanguage, type VerifiedActorClaims } from "../lattice/index.ts";
import { instrument } from "./instrument/index.ts";
import type { Instrumented } from "./instrument/options.ts";
import { defaultLimits } from "./limits.ts";
import type { ActorModule } from "./module.ts";
import { isWasiModule } from "./wasi.ts";

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
  /** Made for each instance when the module wants its memory from outside. In pages of 64 KiB. */
  readonly importedMemory: ImportedMemory | undefined;
  /** How function indices of the running module differ from those of the file. */
  readonly shift: FunctionShift;
  /** Linear memory that one instance may reach, in bytes. */
  readonly memoryBytes: number;
  /** Bytes of the file, and of the code that runs. */
  readonly sizes: { readonly file: number; readonly code: number };
  /** It came unsigned and a development key signed it. */
  readonly signedForDevelopment: boolean;
}

export interface ImportedMemory {
  readonly module: string;
  readonly name: string;
  readonly initial: number;
  readonly maximum: number;
}

export interface FunctionShift {
  /** Functions that the guest imports. */
  readonly imported: number;
  /** Imports added behind them: by so much every defined function moved. */
  readonly added: number;
  /** Functions that the guest defines. */
  readonly defined: number;
}

export interface PrepareOptions {
  /** Linear memory that one instance may reach. Default 64 MiB; built into the module. */
  readonly memoryBytes?: number;
}

/** Start functions in the order in which they run. Source: waPC and actors reference, section 2.2. */
const startNames = ["lattice:start", "_start", "start", "wapc_init"] as const;

/** What a guest may import of waPC, under both of its module names. Source: the same, section 2.1. */
const wapcNames: ReadonlySet<string> = new Set([
  "__guest_request",
  "__guest_response",
  "__guest_error",
  "__host_call",
  "__host_response_len",
  "__host_response",
  "__host_error_len",
  "__host_error",
  "__console_log",
]);

/**
 * Makes a verified module fit to run: checks that everything it imports exists, instruments it and
 * compiles it. Takes milliseconds per megabyte: call it on a loader thread (`Loader`).
 * @throws LatticeError MODULE_IMPORT_UNKNOWN, MODULE_EXPORT_MISSING, MODULE_FEATURE_REFUSED,
 * MODULE_LIMIT, MODULE_MALFORMED.
 */
export function prepare(verified: ActorModule, options: PrepareOptions = {}): PreparedModule {
  const { claims, era, language, hostCallParameters, digest, bytes, origin, signedForDevelopment } = verified;
  const code = prepareCode(bytes, origin, options);
  return { ...code, key: claims.key, digest, claims, era, language, hostCallParameters, signedForDevelopment };
}

/** The part of a prepared module that does not depend on who signed it. */
export type PreparedCode = Pick<
  PreparedModule,
  "module" | "imports" | "startup" | "names" | "importedMemory" | "shift" | "memoryBytes" | "sizes"
>;

/** `prepare` for the code alone. */
export function prepareCode(bytes: Uint8Array, origin: string, options: PrepareOptions = {}): PreparedCode {
  const memoryBytes = options.memoryBytes ?? defaultLimits.memoryBytes;
  const instrumented = instrument(bytes, { name: origin, memoryBytes });
  const module = compile(instrumented, origin);
  const exported = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  const { memory } = instrumented;
  checkExports(exported, instrumented, origin);
  const imports = WebAssembly.Module.imports(module).filter(({ module: from }) => from !== "lattice");
  checkImports(imports, origin);
  return {
    module,
    imports: imports
      .filter(({ kind }) => kind === "function")
      .map(({ module: from, name }) => ({ module: from, name })),
    startup: startNames.filter((name) => exported.get(name) === "function"),
    names: instrumented.names,
    importedMemory: memory?.imported && { ...memory.imported, initial: memory.initial, maximum: memory.maximum },
    shift: instrumented.shift,
    memoryBytes,
    sizes: { file: bytes.length, code: instrumented.bytes.length },
  };
}

function checkExports(exported: Map<string, string>, { run, memory }: Instrumented, origin: string): void {
  const missing: string[] = [];
  if (exported.get("memory") !== "memory" && !memory?.imported) missing.push("memory");
  if (!run) missing.push("__guest_call (i32, i32) -> i32");
  if (missing.length > 0) throw fail("MODULE_EXPORT_MISSING", origin, missing.join(" and "));
}

/** Names what no host offers, all of it at once. */
function checkImports(imports: WebAssembly.ModuleImportDescriptor[], origin: string): void {
  const unknown = imports.filter(({ module, name, kind }) => {
    if (kind === "memory") return !(name === "memory" && (module === "env" || isWapcModule(module)));
    if (kind !== "function") return true;
    if (isWapcModule(module)) return !wapcNames.has(name);
    return !isWasiModule(module) && !(module === "env" && name === "abort");
  });
  if (unknown.length === 0) return;
  const names = unknown.slice(0, 10).map(({ module, name }) => `${module}.${name}`.slice(0, 100));
  const more = unknown.length > names.length ? ` and ${unknown.length - names.length} more` : "";
  throw fail("MODULE_IMPORT_UNKNOWN", origin, names.join(", ") + more);
}

function isWapcModule(name: string): boolean {
  return name === "wapc" || name === "wasmbus";
}

/** Longest that compiling a function at its first call may hold up an engine, all functions together. */
const lazyNs = 5_000_000;
/** V8's baseline compiler, measured: 5.5 ms for a megabyte of code, 1.8 us for each function. */
const nsPerByte = 5.5;
const nsPerFunction = 1_800;

/**
 * V8 compiles a function when it is first called, on the thread that calls. A module for which that
 * could take long (50 000 small functions: 88 ms) is compiled as a whole here instead; the engines
 * that it is posted to share the code. The switch is the process's own; nobody else compiles while
 * it stands but another loader, which then compiles eagerly too.
 */
function compile({ bytes, codeBytes, shift }: Instrumented, origin: string): WebAssembly.Module {
  const eager = codeBytes * nsPerByte + shift.defined * nsPerFunction > lazyNs;
  if (eager) setFlagsFromString("--no-wasm-lazy-compilation");
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    throw failFrom(error, "MODULE_MALFORMED", origin, describe(error).replace(/^WebAssembly\.Module\(\): /, ""));
  } finally {
    if (eager) setFlagsFromString("--wasm-lazy-compilation");
  }
}
