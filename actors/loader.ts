import { Worker } from "node:worker_threads";
import {
  fail,
  failFrom,
  fromWire,
  KeyPair,
  threadArguments,
  threadEnvironment,
  type WireError,
} from "../lattice/index.ts";
import { ActorModule, type Trust } from "./module.ts";
import { prepare, type PreparedModule, type PrepareOptions } from "./prepared.ts";

export interface LoadRequest {
  /** What errors call the module, normally its file name. */
  readonly origin: string;
  readonly limits?: PrepareOptions;
  readonly trust?: Trust;
}

export interface LoaderOptions {
  /** False: load on the caller's thread, which stands still meanwhile. Default true. */
  readonly thread?: boolean;
}

export type ToLoader = LoadModule | { readonly type: "rehearse" };

interface LoadModule {
  readonly type: "load";
  readonly requestId: number;
  readonly bytes: Uint8Array;
  readonly origin: string;
  readonly limits: PrepareOptions | undefined;
  readonly trust: Trust | undefined;
}

export type FromLoader =
  | { readonly type: "prepared"; readonly requestId: number; readonly module: PreparedModule }
  | { readonly type: "failed"; readonly requestId: number; readonly error: WireError };

interface Waiting {
  readonly origin: string;
  readonly resolve: (module: PreparedModule) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A thread with nothing to do is ended after this: it keeps 9 MB. A new one takes some 60 ms, and its
 * first module several times as long as the next ones.
 */
const restMs = 600_000;

/**
 * Turns signed bytes into prepared modules on a thread of its own, so that neither heartbeats nor
 * calls stall behind a 64 MiB module. One module at a time. The thread starts with the loader, so that
 * it is there when the first module comes, and does not keep the process alive.
 */
export class Loader {
  /** Loads on the caller's thread, for tests and embedding. */
  static readonly inThread = new Loader({ thread: false });

  readonly #onThread: boolean;
  #worker: Worker | undefined;
  #requestId = 0;
  readonly #waiting = new Map<number, Waiting>();
  #resting: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor({ thread = true }: LoaderOptions = {}) {
    this.#onThread = thread;
    if (!thread) return;
    this.#start();
    this.#rest();
  }

  /**
   * Verifies and prepares one module. `bytes` are copied to the thread and stay the caller's.
   * @throws LatticeError those of `ActorModule.fromBytes` and of `prepare`; MODULE_LIMIT when the
   * module needs more memory than the thread has; STOPPED.
   */
  async load(bytes: Uint8Array, { origin, limits, trust }: LoadRequest): Promise<PreparedModule> {
    if (this.#stopped) throw fail("STOPPED", "the loader");
    if (!this.#onThread) return prepare(ActorModule.fromBytes(bytes, { name: origin, trust }), limits);
    const worker = this.#start();
    const requestId = this.#requestId++;
    return await new Promise<PreparedModule>((resolve, reject) => {
      this.#waiting.set(requestId, { origin, resolve, reject });
      // One copy, then handed over: posted as they are, they would be copied twice.
      const own = new Uint8Array(bytes);
      const message: ToLoader = { type: "load", requestId, bytes: own, origin, limits, trust: portable(trust) };
      worker.ref();
      worker.postMessage(message, [own.buffer]);
    });
  }

  /** Starts the thread before there is a module, where it is known that one will come. */
  warm(): void {
    if (!this.#onThread || this.#worker || this.#stopped) return;
    this.#start();
    this.#rest();
  }

  /** Has the thread, once it is idle, prepare itself for the first module. May be called twice. */
  rehearse(): void {
    const message: ToLoader = { type: "rehearse" };
    if (this.#worker && !this.#stopped) this.#worker.postMessage(message);
  }

  /** Modules on their way fail with STOPPED. May be called twice. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#resting);
    this.#rejectAll(() => fail("STOPPED", "the loader"));
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #start(): Worker {
    clearTimeout(this.#resting);
    if (this.#worker) return this.#worker;
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const worker = new Worker(new URL(`./loader-worker.${extension}`, import.meta.url), {
      name: "lattice loader",
      env: threadEnvironment(),
      ...threadArguments(),
    });
    worker.on("message", (message: FromLoader) => this.#settle(message));
    worker.on("error", (error: Error) => {
      this.#worker = undefined;
      // Whose module it was is not known; they are loaded in order, so it was the first.
      this.#rejectAll((origin) => failFrom(error, "MODULE_LIMIT", origin, `the loader ended: ${error.message}`));
    });
    worker.unref();
    this.#worker = worker;
    return worker;
  }

  #settle(message: FromLoader): void {
    const waiting = this.#waiting.get(message.requestId);
    this.#waiting.delete(message.requestId);
    if (this.#waiting.size === 0) this.#rest();
    switch (message.type) {
      case "prepared":
        waiting?.resolve(message.module);
        break;
      case "failed":
        waiting?.reject(fromWire(message.error));
        break;
      default:
        message satisfies never;
    }
  }

  #rest(): void {
    this.#worker?.unref();
    this.#resting = setTimeout(() => {
      void this.#worker?.terminate();
      this.#worker = undefined;
    }, restMs).unref();
  }

  #rejectAll(reason: (origin: string) => Error): void {
    for (const { origin, reject } of this.#waiting.values()) reject(reason(origin));
    this.#waiting.clear();
  }
}

/** A key pair cannot be posted; its seed can. */
function portable(trust: Trust | undefined): Trust | undefined {
  const development = trust?.development;
  return development instanceof KeyPair ? { ...trust, development: development.seed } : trust;
}
