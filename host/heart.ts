/** A thread's beats as whoever watches it sees them; the thread must `beat` in `shared` from its event loop. */
export class Heart {
  readonly shared = new SharedArrayBuffer(8);
  readonly #words = new Int32Array(this.shared);
  #seen = 0;
  #at = performance.now();

  /** Whether it was heard at all. */
  get beaten(): boolean {
    return this.#seen !== 0;
  }

  /**
   * How long it has not been heard, in milliseconds. Ask often: a beat that came between two questions counts as of
   * the later one, so that a stall of the watcher blames nobody.
   */
  silentMs(now: number): number {
    const count = Atomics.load(this.#words, 0);
    if (count !== this.#seen) {
      this.#seen = count;
      this.#at = now;
    }
    return now - this.#at;
  }

  /** What the thread says that it is in; 0 for nothing in particular. */
  get step(): number {
    return Atomics.load(this.#words, 1);
  }
}
