import { describe, memoryState, type State, type StateChange, type StateWatch } from "../lattice/index.ts";

/** Waits between attempts to reach a state that is away, in milliseconds. */
const shortestWaitMs = 250;
const longestWaitMs = 5_000;

interface FollowerParts {
  /** What the entries are, for the one warning while they are not known. */
  readonly what: string;
  readonly onChange: (change: StateChange) => void;
  readonly warn: (text: string) => void;
}

/** Follows a state through its absences: a state of this host's own at first, one that is opened later for ever. */
export class StateFollower {
  readonly #parts: FollowerParts;
  #state: State = memoryState();
  #watch: StateWatch | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Tries again now; undefined while nothing is waited for. */
  #again: (() => void) | undefined;
  #closed = false;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  /** The state that is followed. */
  get state(): State {
    return this.#state;
  }

  /**
   * Follows `state` from now on. Resolves when its entries are told and `whenTold` is done, or, while
   * the state is away, at once: both are tried again for ever, so `whenTold` may run several times.
   */
  async open(state: State, whenTold: () => Promise<void>): Promise<void> {
    this.#watch?.stop();
    this.#state = state;
    await this.#follow(whenTold, shortestWaitMs);
  }

  /** The state may be there again: it is not waited for any longer. */
  hurry(): void {
    this.#again?.();
  }

  /** Follows no more. May be called twice. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#watch?.stop();
  }

  async #follow(whenTold: () => Promise<void>, waitMs: number): Promise<void> {
    if (this.#closed) return;
    const state = this.#state;
    const { what, onChange, warn } = this.#parts;
    try {
      const watch = await state.watch("*", (change) => {
        if (state === this.#state) onChange(change);
      });
      if (this.#closed || state !== this.#state) return watch.stop();
      this.#watch = watch;
      await whenTold();
    } catch (error) {
      if (this.#closed || state !== this.#state) return;
      if (waitMs === shortestWaitMs) warn(`${what} of the lattice are not known yet: ${describe(error)}`);
      this.#watch?.stop();
      const later = Math.min(waitMs * 2, longestWaitMs) * (0.5 + Math.random() / 2);
      this.#again = () => {
        clearTimeout(this.#retry);
        this.#again = undefined;
        void this.#follow(whenTold, later);
      };
      this.#retry = setTimeout(this.#again, waitMs).unref();
    }
  }
}
