/** Looks in the time after which something is forgotten. */
const looksPerAge = 10;

/**
 * Keys that no host announces, and since when. Times differ from look to look, so that hosts started together do not
 * all delete at once.
 */
export class Unannounced {
  readonly #ageMs: number;
  readonly #onLook: () => void;
  /** Since when, in `performance.now()`. */
  readonly #since = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  /** `onLook` is to ask `due`, or to `forget` when it cannot know who announces what. */
  constructor(ageMs: number, onLook: () => void) {
    this.#ageMs = ageMs;
    this.#onLook = onLook;
    this.#wait();
  }

  /** Those of these keys, which nobody announces now, that nobody has announced at any look for the whole age. */
  due(keys: Iterable<string>): readonly string[] {
    const now = performance.now();
    const missing = new Set(keys);
    for (const key of this.#since.keys()) if (!missing.has(key)) this.#since.delete(key);
    for (const key of missing) if (!this.#since.has(key)) this.#since.set(key, now);
    return [...this.#since].flatMap(([key, since]) => (now - since >= this.#ageMs ? [key] : []));
  }

  /** Nothing is known of the time until now. */
  forget(): void {
    this.#since.clear();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    const ms = (this.#ageMs / looksPerAge) * (0.5 + Math.random());
    this.#timer = setTimeout(() => {
      this.#onLook();
      this.#wait();
    }, ms).unref();
  }
}
