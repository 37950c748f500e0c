import { fail } from "./errors.ts";
import { checkStateKey, checkStatePattern } from "./state.ts";
import type { ExpectedRevision, State, StateChange, StateEntry, StateWatch } from "./state.ts";
import { subjectMatches } from "./subject-patterns.ts";

export interface MemoryStateOptions {
  /** Default 1 MiB, as a NATS server has it. */
  readonly maxValueBytes?: number;
  /** What a watch's handler threw. Default a process warning. */
  readonly onHandlerError?: (error: unknown, key: string) => void;
}

/** Buckets inside the process; several hosts of one process open the same. */
export class MemoryStateStore {
  readonly #buckets = new Map<string, Bucket>();

  /** The bucket of this name, empty when it is new. Each `open` closes for itself. */
  open(bucket: string, options: MemoryStateOptions = {}): State {
    const held = this.#buckets.get(bucket) ?? new Bucket();
    this.#buckets.set(bucket, held);
    return new MemoryState(bucket, held, options);
  }
}

/** The embedded default: a bucket of its own. */
export function memoryState(options?: MemoryStateOptions): State {
  return new MemoryStateStore().open("state", options);
}

class Bucket {
  readonly entries = new Map<string, StateEntry>();
  readonly watches = new Set<MemoryWatch>();
  revision = 0;

  tell(change: StateChange): void {
    for (const watch of this.watches) watch.tell(change);
  }

  sorted(pattern: string): StateEntry[] {
    return [...this.entries.values()]
      .filter(({ key }) => subjectMatches(pattern, key))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }
}

class MemoryState implements State {
  readonly maxValueBytes: number;
  readonly #name: string;
  readonly #bucket: Bucket;
  readonly #onHandlerError: (error: unknown, key: string) => void;
  readonly #watches = new Set<MemoryWatch>();
  #closed = false;

  constructor(name: string, bucket: Bucket, options: MemoryStateOptions) {
    this.#name = name;
    this.#bucket = bucket;
    this.maxValueBytes = options.maxValueBytes ?? 1024 * 1024;
    this.#onHandlerError = options.onHandlerError ?? warnOfHandler;
  }

  async get(key: string): Promise<StateEntry | undefined> {
    this.#checkOpen();
    checkStateKey(key);
    return this.#bucket.entries.get(key);
  }

  async put(key: string, value: Uint8Array, expected: ExpectedRevision = {}): Promise<number> {
    this.#checkOpen();
    checkStateKey(key);
    if (value.length > this.maxValueBytes)
      throw fail("PAYLOAD_TOO_LARGE", `the value of ${key}`, value.length, this.maxValueBytes);
    this.#checkRevision(key, expected);
    const entry: StateEntry = { key, value: Uint8Array.from(value), revision: ++this.#bucket.revision };
    this.#bucket.entries.set(key, entry);
    this.#bucket.tell({ kind: "put", ...entry });
    return entry.revision;
  }

  async delete(key: string, expected: ExpectedRevision = {}): Promise<void> {
    this.#checkOpen();
    checkStateKey(key);
    this.#checkRevision(key, expected);
    if (this.#bucket.entries.delete(key)) this.#bucket.tell({ kind: "delete", key, revision: ++this.#bucket.revision });
  }

  async list(pattern = ">"): Promise<StateEntry[]> {
    this.#checkOpen();
    checkStatePattern(pattern);
    return this.#bucket.sorted(pattern);
  }

  async watch(pattern: string, handler: (change: StateChange) => void): Promise<StateWatch> {
    this.#checkOpen();
    checkStatePattern(pattern);
    const watch = new MemoryWatch(pattern, handler, this.#onHandlerError, () => {
      this.#watches.delete(watch);
      this.#bucket.watches.delete(watch);
    });
    for (const entry of this.#bucket.sorted(pattern)) watch.tell({ kind: "put", ...entry });
    this.#watches.add(watch);
    this.#bucket.watches.add(watch);
    await watch.told();
    return watch;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const watch of this.#watches) watch.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw fail("STOPPED", `the state ${this.#name}`);
  }

  #checkRevision(key: string, { revision }: ExpectedRevision): void {
    const found = this.#bucket.entries.get(key)?.revision ?? 0;
    if (revision !== undefined && revision !== found) throw fail("REVISION_CONFLICT", key, revision, found);
  }
}

/** Tells changes in turns of their own, so that no handler runs inside a put. */
class MemoryWatch implements StateWatch {
  readonly #pattern: string;
  readonly #handler: (change: StateChange) => void;
  readonly #onHandlerError: (error: unknown, key: string) => void;
  readonly #onStop: () => void;
  #queue: StateChange[] = [];
  #waiting: (() => void)[] = [];
  #scheduled = false;
  #stopped = false;

  constructor(
    pattern: string,
    handler: (change: StateChange) => void,
    onHandlerError: (error: unknown, key: string) => void,
    onStop: () => void,
  ) {
    this.#pattern = pattern;
    this.#handler = handler;
    this.#onHandlerError = onHandlerError;
    this.#onStop = onStop;
  }

  tell(change: StateChange): void {
    if (!subjectMatches(this.#pattern, change.key)) return;
    this.#queue.push(change);
    this.#schedule();
  }

  /** Resolves when everything told so far has reached the handler. */
  async told(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#onStop();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const queue = this.#queue;
      const waiting = this.#waiting;
      this.#queue = [];
      this.#waiting = [];
      for (const change of queue) this.#call(change);
      for (const resolve of waiting) resolve();
    });
  }

  #call(change: StateChange): void {
    if (this.#stopped) return;
    try {
      this.#handler(change);
    } catch (error) {
      this.#onHandlerError(error, change.key);
    }
  }
}

function warnOfHandler(error: unknown, key: string): void {
  process.emitWarning(`a watch failed on ${key}: ${String(error)}`, "StateHandlerWarning");
}
