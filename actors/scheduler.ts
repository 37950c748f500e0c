/**
 * Shares one engine's thread among guests, event loop and deadlines.
 *
 * Guests run until their fuel or import allowance ends, some 150 us of work, and then ask
 * `turnIsOver`. Once a turn of the event loop has given guests a slice, the guest that asked rests:
 * one that is in the middle of a call waits in `spin` (the loop resumes one of these a turn), one
 * between two calls waits in `rest` (resumed next turn). So whatever guests do, sockets and timers
 * wait one slice at most, plus one allowance for each guest that had not run yet.
 *
 * No timer is made per call: while calls are outstanding one interval asks every watched pool to
 * look at its deadlines.
 */
export interface SchedulerOptions {
  /** CPU time of guests per turn of the event loop, in milliseconds; a quarter of it while calls come in. Default 2. */
  readonly sliceMs?: number;
}

export interface Watched {
  /** Looks at deadlines; answers whether calls are still outstanding. */
  sweep(now: number): boolean;
}

/** How late a deadline may be noticed, in milliseconds. */
const sweepMs = 10;
/** A turn is short while a call has come in during this many turns. */
const busyTurns = 64;
/** Guests between two calls that one turn resumes; each runs one allowance before it asks again. */
const restingPerTurn = 16;

export class Scheduler {
  readonly sliceMs: number;
  /** A clock for statistics, read every few milliseconds while calls are outstanding. In `performance.now()`. */
  coarseNow = performance.now();
  /** Calls that came in; pools count them here. */
  arrivals = 0;
  #turnStart = 0;
  #turnArmed = false;
  #sliceNow: number;
  #arrivalsSeen = 0;
  #quietTurns = 0;
  #spinning: (() => void)[] = [];
  #resting: (() => void)[] = [];
  readonly #watched = new Set<Watched>();
  #sweeping: NodeJS.Timeout | undefined;
  readonly #turn = () => this.#nextTurn();

  constructor({ sliceMs = 2 }: SchedulerOptions = {}) {
    this.sliceMs = sliceMs;
    this.#sliceNow = sliceMs;
  }

  /** Whether guests have had their slice of this turn of the event loop. `now`: a fresh `performance.now()`. */
  turnIsOver(now: number): boolean {
    if (!this.#turnArmed) {
      this.#turnArmed = true;
      this.#turnStart = now;
      setImmediate(this.#turn);
      return false;
    }
    return now - this.#turnStart >= this.#sliceNow;
  }

  /** Waits for a slice in the middle of a call; `resume` is called in a later turn. */
  spin(resume: () => void): void {
    this.#spinning.push(resume);
    this.#arm();
  }

  /** Waits for the next turn between two calls. */
  rest(resume: () => void): void {
    this.#resting.push(resume);
    this.#arm();
  }

  /** Sweeps `pool` until it answers that nothing is outstanding. */
  watch(pool: Watched): void {
    this.#watched.add(pool);
    // The clock may stand since the thread was busy with something else, such as loading this pool's module.
    this.coarseNow = performance.now();
    if (this.#sweeping) return;
    this.#sweeping = setInterval(() => this.#sweep(), sweepMs);
  }

  /** Ends timers; guests are not resumed any more. May be called twice. */
  stop(): void {
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
    this.#watched.clear();
  }

  #arm(): void {
    if (this.#turnArmed) return;
    this.#turnArmed = true;
    this.#turnStart = performance.now();
    setImmediate(this.#turn);
  }

  #nextTurn(): void {
    this.#turnArmed = false;
    if (this.#spinning.length + this.#resting.length === 0) return;
    this.#arm();
    this.#quietTurns = this.arrivals === this.#arrivalsSeen ? this.#quietTurns + 1 : 0;
    this.#arrivalsSeen = this.arrivals;
    this.#sliceNow = this.#quietTurns < busyTurns ? this.sliceMs / 4 : this.sliceMs;
    // Short work first: those that spin have shown that they use a whole slice.
    for (const resume of this.#resting.splice(0, restingPerTurn)) resume();
    this.#spinning.shift()?.();
  }

  #sweep(): void {
    const now = performance.now();
    this.coarseNow = now;
    for (const pool of this.#watched) {
      if (!pool.sweep(now)) this.#watched.delete(pool);
    }
    if (this.#watched.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }
}
