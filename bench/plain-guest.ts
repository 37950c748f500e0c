/** What a plain guest is asked and told; the host side of waPC with the fewest steps. */
export interface PlainRequest {
  readonly operation: Uint8Array;
  readonly payload: Uint8Array;
  /** Answers every host call. */
  readonly hostReply?: Uint8Array;
}

type Import = (...args: number[]) => number | undefined;

/**
 * One instance of a module with imports that do next to nothing: no limits, no checks, no host. What
 * a host adds is measured against it.
 */
export class PlainGuest {
  readonly exports: WebAssembly.Instance["exports"];
  readonly #request: PlainRequest;
  readonly #call: (operation: number, payload: number) => number;
  #view = new Uint8Array(0);
  #replied = 0;

  constructor(module: WebAssembly.Module, request: PlainRequest) {
    this.#request = request;
    this.exports = new WebAssembly.Instance(module, this.#imports(module)).exports;
    const fuel = this.exports["lattice:fuel"] as WebAssembly.Global | undefined;
    if (fuel) fuel.value = 2 ** 31 - 1;
    for (const name of ["lattice:start", "_start", "wapc_init"]) (this.exports[name] as (() => void) | undefined)?.();
    this.#call = this.exports["__guest_call"] as (operation: number, payload: number) => number;
  }

  /** One call; answers the length of the reply. @throws Error when the guest fails. */
  call(): number {
    const { operation, payload } = this.#request;
    if (this.#call(operation.length, payload.length) !== 1) throw new Error("the guest failed");
    return this.#replied;
  }

  get #memory(): Uint8Array {
    if (this.#view.length === 0) this.#view = new Uint8Array((this.exports.memory as WebAssembly.Memory).buffer);
    return this.#view;
  }

  #imports(module: WebAssembly.Module): WebAssembly.Imports {
    const { operation, payload, hostReply = new Uint8Array(0) } = this.#request;
    const own: Record<string, Import> = {
      __guest_request: (operationAt, payloadAt) => {
        const memory = this.#memory;
        memory.set(operation, operationAt);
        memory.set(payload, payloadAt);
        return undefined;
      },
      __guest_response: (_at, length = 0) => {
        this.#replied = length;
        return undefined;
      },
      __guest_error: (at = 0, length = 0) => {
        throw new Error(Buffer.from(this.#memory.slice(at, at + length)).toString());
      },
      __host_call: () => 1,
      __host_response_len: () => hostReply.length,
      __host_response: (at) => {
        this.#memory.set(hostReply, at);
        return undefined;
      },
      // Of an instrumented module; with this much fuel nothing else of it is reached.
      fuel: () => 2 ** 31 - 1,
    };
    const imports: Record<string, Record<string, Import>> = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      (imports[from] ??= {})[name] = own[name] ?? (() => 0);
    }
    return imports;
  }
}
