import type { Appended } from "./appended.ts";
import { addedImports } from "./appended.ts";
import type { ByteReader } from "./bytes.ts";
import type { Declarations } from "./declarations.ts";
import { limits } from "./options.ts";
import type { InstrumentOptions } from "./options.ts";
import { I32, sameType } from "./types.ts";

const wasi = (module: string) => module === "wasi_snapshot_preview1" || module === "wasi_unstable";

const defaultSuspendable = (module: string, name: string) =>
  (name === "__host_call" && (module === "wapc" || module === "wasmbus")) || (name === "poll_oneoff" && wasi(module));

const defaultTerminal = (module: string, name: string) => name === "proc_exit" && wasi(module);

/**
 * Where each of the guest's functions went. Imported functions stay or are replaced by a wrapper,
 * those with a body move up behind the imports that we add.
 */
export class Functions {
  /** New index by the guest's own index. */
  readonly map: Int32Array;
  /** Of each function with a body: 1 when a table or a reference may hold it. */
  readonly escaping: Uint8Array;
  /** By how much those with a body moved. */
  readonly added = addedImports.length;
  readonly #imported: number;

  constructor(declarations: Declarations, appended: Appended, options: InstrumentOptions) {
    const { importedFunctions, functionCount, types } = declarations;
    const { suspendable = defaultSuspendable, terminal = defaultTerminal } = options;
    this.#imported = importedFunctions.length;
    this.map = new Int32Array(functionCount);
    this.escaping = new Uint8Array(declarations.defined);
    for (let index = this.#imported; index < functionCount; index++) this.map[index] = index + this.added;
    let wrappers = 0;
    for (const [index, { module, name, type }] of importedFunctions.entries()) {
      const ends = terminal(module, name);
      this.map[index] = index;
      if (!ends && !suspendable(module, name)) continue;
      if (++wrappers > limits.wrappers) {
        throw declarations.limit(`it imports ${module}.${name} and its like more than ${limits.wrappers} times`);
      }
      if (ends) {
        this.map[index] = appended.terminal(index);
        continue;
      }
      if (!sameType({ ...types.at(type), parameters: [] }, [], [I32])) {
        throw declarations.malformed(`import ${module}.${name} does not return one i32`);
      }
      this.map[index] = appended.suspendable(index);
    }
  }

  /** Reads a function index of the guest. */
  read(reader: ByteReader): number {
    const index = reader.u32();
    if (index >= this.map.length) throw reader.malformed(`there is no function ${index},`);
    return index;
  }

  escape(index: number): void {
    if (index >= this.#imported) this.escaping[index - this.#imported] = 1;
  }
}
