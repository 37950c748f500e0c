/** What ends at a time of its own. */
export interface Ending {
  /** In this thread's `performance.now()`. */
  readonly deadline: number;
  late(): void;
}

interface Waits extends Iterable<Ending> {
  readonly size: number;
}

/**
 * One timer for all who wait, since one of its own would cost each more than the rest of a small
 * request. It is set for the earliest deadline known; who has ended before is looked over then.
 */
export class EndTimer {
  readonly #waits: Waits;
  #timer: NodeJS.Timeout | undefined;
  #at = Infinity;

  /** Looks over `waits`, which others fill and empty. */
  constructor(waits: Waits) {
    this.#waits = waits;
  }

  /** One more waits. */
  begun(deadline: number, now: number): void {
    if (deadline >= this.#at) {
      // It kept the process alive for nobody.
      if (this.#waits.size === 1) this.#timer?.ref();
      return;
    }
    clearTimeout(this.#timer);
    this.#at = deadline;
    this.#timer = setTimeout(() => this.#look(), Math.max(1, Math.min(deadline - now, longestMs)));
  }

  /** Nobody waits any more. */
  idle(): void {
    this.#timer?.unref();
  }

  #look(): void {
    this.#timer = undefined;
    this.#at = Infinity;
    const now = performance.now();
    let next = Infinity;
    // A timer may come a little early.
    for (const wait of this.#waits) {
      if (wait.deadline <= now + 1) wait.late();
      else if (wait.deadline < next) next = wait.deadline;
    }
    if (next < Infinity) this.begun(next, now);
  }
}

/** Timers count in 32 bits. */
const longestMs = 2 ** 31 - 1;
