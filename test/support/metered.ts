import { instrument, type InstrumentOptions } from "../../actors/index.ts";

/** The host's end of an instrumented module, for tests: what each of its imports answers. */
export interface MeterHost {
  /** Answers the guest that is out of fuel. Default: a million. */
  readonly fuel?: () => number;
  readonly yield?: () => number | Promise<number>;
  readonly wait?: () => number | Promise<number>;
  readonly poll?: () => number;
  readonly next?: () => number | Promise<number>;
  readonly size?: (which: number) => number;
  readonly done?: (rc: number, fuelLeft: number) => number;
}

type Imports = WebAssembly.Imports;

/** The exports of an instrumented module, fresh. */
export type MeteredExports = WebAssembly.Instance["exports"];

/** A guest that asks for what its test did not foresee. */
function unforeseen(what: string): () => never {
  return () => {
    throw new Error(`the guest called ${what}`);
  };
}

export function latticeImports(host: MeterHost): Record<string, WebAssembly.ImportValue> {
  return {
    fuel: host.fuel ?? (() => 1_000_000),
    yield: new WebAssembly.Suspending(host.yield ?? unforeseen("yield")),
    wait: new WebAssembly.Suspending(host.wait ?? unforeseen("wait")),
    poll: host.poll ?? unforeseen("poll"),
    next: new WebAssembly.Suspending(host.next ?? unforeseen("next")),
    size: host.size ?? unforeseen("size"),
    done: host.done ?? unforeseen("done"),
  };
}

/** Instruments and instantiates; compiling it is the proof that it is valid. */
export function metered(
  bytes: Uint8Array,
  host: MeterHost = {},
  imports: Imports = {},
  options: Partial<InstrumentOptions> = {},
): MeteredExports {
  const { bytes: code } = instrument(bytes, { name: "guest.wasm", ...options });
  return instantiate(code, { ...imports, lattice: latticeImports(host) });
}

export function instantiate(bytes: Uint8Array, imports: Imports = {}): MeteredExports {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports;
}

/** A function export; what it takes and gives are numbers of 32 bits, or nothing. */
export function callable(exports: MeteredExports, name: string): (...parameters: number[]) => number {
  return exports[name] as (...parameters: number[]) => number;
}

/** As `callable`, run where it may suspend. */
export function suspendable(exports: MeteredExports, name: string): (...parameters: number[]) => Promise<number> {
  return WebAssembly.promising(exports[name] as Function) as (...parameters: number[]) => Promise<number>;
}
