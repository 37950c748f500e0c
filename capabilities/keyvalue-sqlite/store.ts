import { closeSync, openSync } from "node:fs";
import { resolve as absolute } from "node:path";
import { Worker } from "node:worker_threads";
import {
  describe,
  type LatticeError,
  fail,
  fromWire,
  threadArguments,
  threadEnvironment,
} from "../../lattice/index.ts";
import type { CopyableStore, SetChange, StoreEntry, Value } from "../keyvalue/store.ts";
import type { Health } from "../provider.ts";
import type { Answered, Batch, FromThread, OperationName, Request, ThreadData } from "./messages.ts";

export interface SqliteStoreOptions {
  /** File of the database, made when it is missing; its folder must be there. */
  readonly path: string;
  /** The clock, in milliseconds since 1970. For tests. */
  readonly now?: () => number;
}

interface Asked {
  readonly request: Request;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: LatticeError) => void;
}

const mostPerBatch = 1_000;
const entriesPerPage = 100;
const sweepEveryMs = 1_000;
const restartAfterMs = 1_000;

/**
 * Key-value in a SQLite file, which outlives the process: an answer to a write is given once the write
 * is on the disk. A thread of its own waits for the disk; what is asked for meanwhile becomes the next
 * transaction, so that many callers share one wait.
 */
export class SqliteStore implements CopyableStore {
  readonly name: string;
  readonly #path: string;
  readonly #now: () => number;
  #worker: Worker | undefined;
  #opening: Promise<void> | undefined;
  #inWork: Asked[] = [];
  #waiting: Asked[] = [];
  #scheduled = false;
  #closed = false;
  #failedAt = Number.NEGATIVE_INFINITY;
  #failure: LatticeError | undefined;
  #sweeper: NodeJS.Timeout | undefined;

  constructor({ path, now = Date.now }: SqliteStoreOptions) {
    this.#path = path === "" ? "" : absolute(path);
    this.#now = now;
    this.name = path === "" ? "key-value in SQLite" : `SQLite in ${this.#path}`;
  }

  /** @throws LatticeError OPTION_OUT_OF_RANGE, FILE_UNWRITABLE, FILE_UNREADABLE, STORE_UNAVAILABLE. */
  open(): Promise<void> {
    this.#opening ??= this.#start().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  get(key: string): Promise<Value | undefined> {
    return this.#ask("get", key);
  }

  set(key: string, value: Value, expiresSeconds: number): Promise<void> {
    // Bytes may be a view of a guest's whole memory, which a message would copy.
    return this.#ask("set", key, typeof value === "string" ? value : value.slice(), expiresSeconds);
  }

  delete(key: string): Promise<boolean> {
    return this.#ask("delete", key);
  }

  contains(key: string): Promise<boolean> {
    return this.#ask("contains", key);
  }

  increment(key: string, by: number): Promise<number> {
    return this.#ask("increment", key, by);
  }

  listAdd(key: string, value: string): Promise<number> {
    return this.#ask("listAdd", key, value);
  }

  listRemoveFirst(key: string, value: string): Promise<boolean> {
    return this.#ask("listRemoveFirst", key, value);
  }

  listRemoveAll(key: string, value: string): Promise<number> {
    return this.#ask("listRemoveAll", key, value);
  }

  listRange(key: string, start: number, stop: number): Promise<string[]> {
    return this.#ask("listRange", key, start, stop);
  }

  setAdd(key: string, value: string): Promise<SetChange> {
    return this.#ask("setAdd", key, value);
  }

  setRemove(key: string, value: string): Promise<SetChange> {
    return this.#ask("setRemove", key, value);
  }

  setQuery(key: string): Promise<string[]> {
    return this.#ask("setQuery", key);
  }

  setUnion(keys: readonly string[]): Promise<string[]> {
    return this.#ask("setUnion", keys);
  }

  setIntersection(keys: readonly string[]): Promise<string[]> {
    return this.#ask("setIntersection", keys);
  }

  async *entries(prefix: string): AsyncGenerator<StoreEntry> {
    let after: string | undefined;
    let page: StoreEntry[];
    do {
      page = await this.#ask("page", prefix, after, entriesPerPage);
      yield* page;
      after = page.at(-1)?.key;
    } while (page.length === entriesPerPage);
  }

  count(prefix: string): Promise<number> {
    return this.#ask("count", prefix);
  }

  clear(prefix: string): Promise<number> {
    return this.#ask("clear", prefix);
  }

  load(entry: StoreEntry): Promise<void> {
    return this.#ask("load", entry);
  }

  async health(): Promise<Health> {
    try {
      await this.#ask("ping");
      return { healthy: true };
    } catch (error) {
      return { healthy: false, message: describe(error) };
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweeper);
    const worker = this.#worker;
    if (!worker) return;
    await this.#ask("ping", true).catch(() => undefined);
    const gone = new Promise((resolve) => worker.once("exit", resolve));
    worker.ref();
    worker.postMessage(null);
    await gone;
  }

  #ask<T>(name: OperationName, ...parameters: unknown[]): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      if (this.#closed && parameters[0] !== true) return reject(fail("STOPPED", this.name));
      this.#waiting.push({ request: [name, ...parameters], resolve, reject });
      if (this.#scheduled || this.#inWork.length > 0) return undefined;
      this.#scheduled = true;
      // What other callers ask for in this turn of the event loop comes along.
      setImmediate(() => this.#flush());
      return undefined;
    }) as Promise<T>;
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#waiting.length === 0 || this.#inWork.length > 0) return;
    if (!this.#worker) {
      this.open().then(
        () => this.#flush(),
        (error: LatticeError) => this.#rejectAll(error),
      );
      return;
    }
    this.#inWork = this.#waiting.splice(0, mostPerBatch);
    this.#worker.ref();
    const batch: Batch = { now: this.#now(), requests: this.#inWork.map(({ request }) => request) };
    this.#worker.postMessage(batch);
  }

  #start(): Promise<void> {
    if (this.#failure && performance.now() - this.#failedAt < restartAfterMs) return Promise.reject(this.#failure);
    try {
      this.#makeFile();
    } catch (error) {
      return Promise.reject(error);
    }
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const data: ThreadData = { path: this.#path };
    const worker = new Worker(new URL(`./thread.${extension}`, import.meta.url), {
      name: "lattice sqlite",
      env: threadEnvironment(),
      ...threadArguments(),
      workerData: data,
    });
    return new Promise((resolve, reject) => {
      const lost = (error: LatticeError) => {
        if (this.#worker === worker) this.#worker = undefined;
        this.#opening = undefined;
        this.#failedAt = performance.now();
        this.#failure = error;
        reject(error);
        this.#rejectAll(error);
      };
      worker.on("message", (message: FromThread) => {
        switch (message.type) {
          case "opened":
            this.#worker = worker;
            this.#failure = undefined;
            this.#sweeper ??= setInterval(() => this.#sweep(), sweepEveryMs).unref();
            worker.unref();
            return resolve();
          case "unopened":
            return lost(fromWire(message.error));
          case "done":
            return this.#settle(message.answers);
          case "failed":
            return this.#settle(this.#inWork.map(() => ({ error: message.error })));
          default:
            return message satisfies never;
        }
      });
      worker.on("error", (error) => lost(fail("STORE_UNAVAILABLE", this.name, describe(error))));
      worker.on("exit", () => lost(fail("STORE_UNAVAILABLE", this.name, "its thread ended")));
    });
  }

  /** Only for its owner: what actors keep may be private. */
  #makeFile(): void {
    if (this.#path === "") throw fail("OPTION_OUT_OF_RANGE", "path", '""', "the name of a file");
    try {
      closeSync(openSync(this.#path, "a", 0o600));
    } catch (error) {
      throw fail("FILE_UNWRITABLE", this.#path, describe(error));
    }
  }

  #settle(answers: readonly Answered[]): void {
    const asked = this.#inWork;
    this.#inWork = [];
    this.#worker?.unref();
    // The next batch is on its way while those who waited for this one go on.
    this.#flush();
    for (const [at, answer] of answers.entries()) {
      if ("error" in answer) asked[at]?.reject(fromWire(answer.error));
      else asked[at]?.resolve(answer.value);
    }
  }

  #rejectAll(error: LatticeError): void {
    const all = [...this.#inWork, ...this.#waiting];
    this.#inWork = [];
    this.#waiting = [];
    for (const { reject } of all) reject(error);
  }

  #sweep(): void {
    if (!this.#worker || this.#closed) return;
    void this.#ask("sweep", mostPerBatch).catch(() => undefined);
  }
}
