import { readFileSync } from "node:fs";
import { fail } from "../lattice/index.ts";

/** Refused above this many instances however generous the kernel is; a process holds about 16 290 wasm memories. */
const mostInstances = 10_000;
/** Kernel mappings of one instance with its coroutine; measured 4.8. */
const mappingsEach = 5.5;
/** Mappings left to the rest of the process: heap, libraries, threads, sockets. */
const mappingsReserved = 5_000;

/**
 * Counts the live instances of all engines of one process, since memories and kernel mappings run
 * out per process and take it down with them.
 *
 * Engines share one count: the supervisor makes the first census and gives `shared` to the others.
 * Each holder has a cell of its own, so that the instances of a lost engine can be forgotten.
 */
export class Census {
  readonly limit: number;
  /** Pass it to another thread and make a Census of it there. Cell 0 is the total, then one cell per holder from -1. */
  readonly shared: SharedArrayBuffer;
  readonly #cells: Int32Array;
  readonly #holder: number;

  /** `holder`: whose instances are counted, -1 to 255: an engine's index, -1 for the caller's thread. */
  constructor(limit: number = instanceLimit(), shared = new SharedArrayBuffer(4 * 258), holder = -1) {
    this.limit = limit;
    this.shared = shared;
    this.#cells = new Int32Array(shared);
    this.#holder = holder + 2;
  }

  /** Live instances of the whole process. */
  get total(): number {
    return Atomics.load(this.#cells, 0);
  }

  /** Live instances of this holder. */
  get own(): number {
    return Atomics.load(this.#cells, this.#holder);
  }

  /** Counts one more. @throws LatticeError INSTANCE_LIMIT when the process is full. */
  take(): void {
    if (Atomics.add(this.#cells, 0, 1) >= this.limit) {
      Atomics.sub(this.#cells, 0, 1);
      throw fail("INSTANCE_LIMIT", this.limit);
    }
    Atomics.add(this.#cells, this.#holder, 1);
  }

  /** Gives one back that `take` counted. */
  release(): void {
    Atomics.sub(this.#cells, this.#holder, 1);
    Atomics.sub(this.#cells, 0, 1);
  }

  /** For the supervisor: the thread of `holder` is gone and its instances with it. */
  forget(holder: number): void {
    const lost = Atomics.exchange(this.#cells, holder + 2, 0);
    Atomics.sub(this.#cells, 0, lost);
  }
}

/**
 * The most instances this process should hold: `most`, or fewer where the kernel's limit of mappings
 * per process is low, since running out of those kills the process.
 */
export function instanceLimit(maxMapCount: number = readMaxMapCount(), most: number = mostInstances): number {
  const fits = Math.floor((maxMapCount - mappingsReserved) / mappingsEach);
  return Math.min(most, Math.max(16, fits));
}

/** `vm.max_map_count` of Linux; other systems have no such limit. */
function readMaxMapCount(): number {
  try {
    const count = Number.parseInt(readFileSync("/proc/sys/vm/max_map_count", "utf8"), 10);
    return Number.isNaN(count) ? Number.POSITIVE_INFINITY : count;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
