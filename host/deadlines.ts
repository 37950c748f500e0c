import { fail, type LatticeError, Slots } from "../lattice/index.ts";

/** How late a deadline may be noticed, in milliseconds. */
const sweepMs = 10;

/**
 * Pools end their guests at the deadline of the call; whatever those waited for is bounded a little
 * later, so that a guest meets one end and not two.
 */
export const graceMs = 30;

interface Wait {
  number: number;
  readonly deadline: number;
  readonly end: (why: LatticeError | undefined) => void;
}

/**
 * Bounds what no pool watches: answers of providers, policies, middleware. No timer is made per
 * call: while anything waits, one interval looks at the deadlines.
 */
export class Deadlines {
  readonly #waits = new Slots<Wait>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * Calls `end` once when `deadline` (of this thread's `performance.now()`) has passed, or with the
   * reason when nobody waits any more. What it returns ends the watch, and answers whether it came in time.
   */
  watch(deadline: number, end: (why: LatticeError | undefined) => void): () => boolean {
    const wait: Wait = { number: 0, deadline, end };
    const number = this.#waits.add(wait);
    wait.number = number;
    this.#timer ??= setInterval(() => this.#sweep(), sweepMs);
    return () => this.#waits.take(number) !== undefined;
  }

  /** What `work` answers, or the error of `late`; then the answer is dropped when it comes. */
  bound<T>(work: Promise<T>, deadline: number, late: () => LatticeError): Promise<T> {
    return new Promise((resolve, reject) => {
      const inTime = this.watch(deadline, (why) => reject(why ?? late()));
      work.then(
        (value) => {
          if (inTime()) resolve(value);
        },
        (error: unknown) => {
          if (inTime()) reject(error);
        },
      );
    });
  }

  /** Ends every wait with `why`. */
  stop(why: LatticeError): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const wait of this.#waits) {
      this.#waits.take(wait.number);
      wait.end(why);
    }
  }

  #sweep(): void {
    const now = performance.now();
    for (const wait of this.#waits) {
      if (now < wait.deadline) continue;
      this.#waits.take(wait.number);
      wait.end(undefined);
    }
    if (this.#waits.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/**
 * Bounds a wait of the host's own (a health check, the stop of a provider) by a timer; what comes
 * later is dropped. For calls there is `Deadlines`.
 * @throws LatticeError DEADLINE_EXCEEDED naming `what`.
 */
export async function within<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(fail("DEADLINE_EXCEEDED", what, Math.round(ms))), Math.min(ms, 2 ** 31 - 1));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
