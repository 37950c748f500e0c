/** A question that comes later than this after the last one was held up itself, in milliseconds. */
const longestLookMs = 500;
/** Silence counts so much less while the process hardly runs. */
const patience = 5;

/** A thread's beats as whoever watches it sees them; the thread must `beat` in `shared` from its event loop. */
export class Heart {
  readonly shared = new SharedArrayBuffer(8);
  readonly #words = new Int32Array(this.shared);
  #seen = 0;
  #heardAt = performance.now();
  #silentMs = 0;
  #lookedAt = performance.now();
  #ranMs = processMs();

  /** Whether it was heard at all. */
  get beaten(): boolean {
    return this.#seen !== 0;
  }

  /** Since when it has not been heard, by the clock, as far as that was asked: for whoever only wants to wait. */
  quietMs(now: number): number {
    this.#look(now);
    return now - this.#heardAt;
  }

  /**
   * How long it has not been heard, in milliseconds; ask twice a second or more often. A process may
   * stall as a whole (stopped, asleep, on a machine with too much to do), which is no thread's fault,
   * while a thread that holds its event loop mostly uses the processor. So time in which the process used
   * the processor for less than half of it counts as a fifth, and a watcher that was held up sees little.
   */
  silentMs(now: number): number {
    this.#look(now);
    return this.#silentMs;
  }

  /** What the thread says that it is in; 0 for nothing in particular. */
  get step(): number {
    return Atomics.load(this.#words, 1);
  }

  #look(now: number): void {
    const passedMs = Math.min(now - this.#lookedAt, longestLookMs);
    const ranMs = processMs();
    const idle = ranMs - this.#ranMs < passedMs / 2;
    this.#lookedAt = now;
    this.#ranMs = ranMs;
    const count = Atomics.load(this.#words, 0);
    if (count === this.#seen) this.#silentMs += idle ? passedMs / patience : passedMs;
    else {
      this.#seen = count;
      this.#heardAt = now;
      this.#silentMs = 0;
    }
  }
}

/** CPU time of this process so far, in milliseconds. */
function processMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
