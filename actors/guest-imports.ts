import type { PreparedModule } from "./prepared.ts";
import { isWasiModule, type Wasi } from "./wasi.ts";
import type { WapcExchange } from "./wapc.ts";

/** What the appended code of an instrumented module imports. Source: `instrument`. */
export interface LatticeImports {
  readonly poll: () => number;
  readonly next: () => Promise<number> | number;
  readonly size: (which: number) => number;
  readonly done: (rc: number, fuelLeft: number) => number;
  readonly wait: () => Promise<number> | number;
  readonly fuel: () => number;
  readonly yield: () => Promise<number> | number;
}

export interface GuestImports {
  readonly imports: WebAssembly.Imports;
  /** Made here when the module wants its memory from outside. */
  readonly memory: WebAssembly.Memory | undefined;
}

/** Leaves the guest from inside an import. Guest code may catch it; who throws sees to its end. */
export class GuestFault extends Error {}

/** The imports of one instance: those that it declares and no more, since each is a closure of its own. */
export function guestImports(
  module: PreparedModule,
  lattice: LatticeImports,
  exchange: WapcExchange,
  wasi: Wasi,
  view: () => Uint8Array,
): GuestImports {
  const imports: WebAssembly.Imports = {
    lattice: {
      ...lattice,
      next: new WebAssembly.Suspending(lattice.next),
      wait: new WebAssembly.Suspending(lattice.wait),
      yield: new WebAssembly.Suspending(lattice.yield),
    },
  };
  for (const { module: from, name } of module.imports) {
    const own = (imports[from] ??= {});
    if (isWasiModule(from)) own[name] = wasi.import(from, name);
    else if (from === "env") own[name] = abort(view);
    // `prepare` has refused every name that waPC does not have.
    else own[name] = exchange.import(name)!;
  }
  const wanted = module.importedMemory;
  if (!wanted) return { imports, memory: undefined };
  const memory = new WebAssembly.Memory({ initial: wanted.initial, maximum: wanted.maximum });
  (imports[wanted.module] ??= {})[wanted.name] = memory;
  return { imports, memory };
}

/** AssemblyScript's `env.abort(message, file, line, column)`. */
function abort(view: () => Uint8Array): Function {
  return (message: number, file: number, line: number, column: number) => {
    const memory = view();
    const where = `${scriptText(memory, file >>> 0)}:${line >>> 0}:${column >>> 0}`;
    throw new GuestFault(`abort: ${scriptText(memory, message >>> 0)} at ${where}`);
  };
}

/** A string of AssemblyScript: UTF-16, its length in bytes before it. */
function scriptText(memory: Uint8Array, at: number): string {
  if (at < 4 || at > memory.length) return "?";
  const length = new DataView(memory.buffer).getUint32(at - 4, true);
  const end = Math.min(at + Math.min(length, 1_024), memory.length);
  return new TextDecoder("utf-16le").decode(memory.subarray(at, end));
}
