import type { Worker } from "node:worker_threads";
import { describe, fail } from "../lattice/index.ts";
import { Heart } from "./heart.ts";
import { beatMs } from "./heartbeat.ts";

/** A thread as the supervisor sees it. */
export interface Supervised {
  readonly worker: Worker;
  /** Resolves when the thread has all that it needs to work. Its silence counts before that too. */
  readonly ready: Promise<unknown>;
}

/** Why a thread was lost. */
export type Loss =
  | { readonly reason: "silent"; readonly silentMs: number }
  | { readonly reason: "exited"; readonly exitCode: number }
  | { readonly reason: "failed"; readonly message: string };

export interface SupervisorOptions<W extends Supervised> {
  /** Threads kept running, numbered from 0. */
  readonly count: number;
  /** Silence after which a thread that has beaten is ended and replaced. */
  readonly silenceMs: number;
  /** The same before its first beat, while its code loads. Default 30 s, at least `silenceMs`. */
  readonly loadMs?: number;
  /** Longest wait between two attempts to replace a thread. Default 5 s. */
  readonly longestWaitMs?: number;
  /** A thread that lived so long and is lost then is replaced at once. Default 10 s. */
  readonly settledMs?: number;
  /** Makes thread `index`, which must `beat` in `heartbeat` from its event loop. */
  start(index: number, heartbeat: SharedArrayBuffer): W;
  /** Thread `index` is gone: fail what waits for it. Called once for each thread that was ready. */
  readonly onLost?: (index: number, lost: W, loss: Loss) => void;
  /** Another took its place and is ready. */
  readonly onRestarted?: (index: number, thread: W) => void;
  /** An attempt, made after `waitMs`, did not bring a thread up; another follows. */
  readonly onStartFailed?: (index: number, error: unknown, waitMs: number) => void;
}

interface Slot<W> {
  readonly index: number;
  thread: W | undefined;
  heart: SupervisedHeart | undefined;
  /** Attempts since a thread of this slot last lived long enough. */
  attempts: number;
  restarts: number;
}

const firstWaitMs = 10;

/**
 * Keeps threads running. Each beats in shared memory from its own event loop; one that falls silent
 * is ended from outside, which works in the middle of an endless loop too, and whoever is lost is
 * replaced: at once the first time, with growing waits when it happens again and again.
 */
export class Supervisor<W extends Supervised> implements AsyncDisposable {
  readonly #options: SupervisorOptions<W>;
  readonly #slots: readonly Slot<W>[];
  readonly #stop = new AbortController();
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: SupervisorOptions<W>) {
    this.#options = options;
    this.#everyMs = Math.max(2 * beatMs, Math.min(options.silenceMs / 5, 200));
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      index,
      thread: undefined,
      heart: undefined,
      attempts: 0,
      restarts: 0,
    }));
  }

  /**
   * Starts all threads and waits until they are ready.
   * @throws whatever the first one that fails says; the others are ended then.
   */
  static async start<W extends Supervised>(options: SupervisorOptions<W>): Promise<Supervisor<W>> {
    const supervisor = new Supervisor(options);
    supervisor.#watch();
    try {
      await Promise.all(supervisor.#slots.map((slot) => supervisor.#spawn(slot)));
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    return supervisor;
  }

  /** The thread of this number, while it is ready. */
  get(index: number): W | undefined {
    return this.#slots[index]?.thread;
  }

  /** Those that are ready. */
  threads(): W[] {
    return this.#slots.flatMap(({ thread }) => thread ?? []);
  }

  /** How often the thread of this number was replaced. */
  restarts(index: number): number {
    return this.#slots[index]?.restarts ?? 0;
  }

  /** From now on replaces nobody, for threads about to end by themselves; those that fall silent are still ended. */
  release(): void {
    this.#stop.abort();
  }

  /** Ends all threads and replaces none. May be called twice. */
  async stop(): Promise<void> {
    this.release();
    clearInterval(this.#timer);
    await Promise.all(this.#slots.map(async ({ heart }) => await heart?.worker.terminate()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** One attempt. Resolves when the new thread is ready and in its place. */
  async #spawn(slot: Slot<W>): Promise<W> {
    const heart = new SupervisedHeart();
    const thread = this.#options.start(slot.index, heart.shared);
    const { worker } = thread;
    heart.worker = worker;
    slot.heart = heart;
    const { promise: gone, reject } = Promise.withResolvers<never>();
    gone.catch(() => {});
    thread.ready.catch(() => {});
    let failure: Loss | undefined;
    worker.on("error", (error) => {
      failure = { reason: "failed", message: describe(error) };
    });
    worker.once("exit", (exitCode) => {
      const loss = heart.blamed ?? failure ?? { reason: "exited", exitCode };
      reject(fail("ENGINE_LOST", `${slot.index} (${lossText(loss)})`));
      this.#lost(slot, thread, loss);
    });
    try {
      await Promise.race([thread.ready, gone]);
      if (this.#stop.signal.aborted) throw fail("STOPPED", "the supervisor");
    } catch (error) {
      await worker.terminate();
      throw error;
    }
    slot.thread = thread;
    heart.settle(this.#options.settledMs ?? 10_000, () => (slot.attempts = 0));
    return thread;
  }

  #lost(slot: Slot<W>, thread: W, loss: Loss): void {
    if (slot.thread !== thread) return;
    slot.thread = undefined;
    slot.heart?.unsettle();
    if (this.#stop.signal.aborted) return;
    this.#options.onLost?.(slot.index, thread, loss);
    void this.#replace(slot);
  }

  /** Goes on until a thread is ready again. */
  async #replace(slot: Slot<W>): Promise<void> {
    const { onRestarted, onStartFailed, longestWaitMs = 5_000 } = this.#options;
    for (;;) {
      const waitMs = slot.attempts === 0 ? 0 : Math.min(firstWaitMs * 2 ** Math.min(slot.attempts, 20), longestWaitMs);
      slot.attempts++;
      await this.#pause(waitMs);
      if (this.#stop.signal.aborted) return;
      try {
        const thread = await this.#spawn(slot);
        slot.restarts++;
        onRestarted?.(slot.index, thread);
        return;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        onStartFailed?.(slot.index, error, waitMs);
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    if (ms === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const wake = () => resolve();
    this.#stop.signal.addEventListener("abort", wake, { once: true });
    await promise;
    clearTimeout(timer);
    this.#stop.signal.removeEventListener("abort", wake);
  }

  #watch(): void {
    this.#timer = setInterval(() => this.#check(), this.#everyMs).unref();
  }

  #check(): void {
    const { silenceMs, loadMs = 30_000 } = this.#options;
    const now = performance.now();
    for (const { heart } of this.#slots) {
      if (!heart || heart.blamed) continue;
      const silentMs = heart.silentMs(now);
      if (silentMs < (heart.beaten ? silenceMs : Math.max(loadMs, silenceMs))) continue;
      heart.blamed = { reason: "silent", silentMs: Math.round(silentMs) };
      void heart.worker.terminate();
    }
  }
}

/** The heart of a thread that is replaced when it stops. */
class SupervisedHeart extends Heart {
  declare worker: Worker;
  /** Set when this thread is ended for its silence. */
  blamed: Loss | undefined;
  #settling: NodeJS.Timeout | undefined;

  settle(ms: number, settled: () => void): void {
    this.#settling = setTimeout(settled, ms).unref();
  }

  unsettle(): void {
    clearTimeout(this.#settling);
  }
}

export function lossText(loss: Loss): string {
  switch (loss.reason) {
    case "silent":
      return `silent for ${loss.silentMs} ms`;
    case "exited":
      return `exited with code ${loss.exitCode}`;
    case "failed":
      return `failed: ${loss.message}`;
    default:
      return loss satisfies never;
  }
}
