const sweepEveryMs = 1_000;
const keysPerSweep = 1_000;

/**
 * The keys that will expire, looked at in turn, a bounded number each second, by one timer for all;
 * there is none while no key expires. It keeps no process alive.
 */
export class Expiries {
  readonly #keys = new Set<string>();
  readonly #stillThere: (key: string) => boolean;
  #timer: NodeJS.Timeout | undefined;

  /** `stillThere` looks at a key, drops it when its time has come, and tells. */
  constructor(stillThere: (key: string) => boolean) {
    this.#stillThere = stillThere;
  }

  add(key: string): void {
    this.#keys.add(key);
    this.#timer ??= setInterval(() => this.sweep(), sweepEveryMs).unref();
  }

  delete(key: string): void {
    if (this.#keys.delete(key) && this.#keys.size === 0) this.#stop();
  }

  /** Looks at the next keys; those that stay go to the end of the queue. */
  sweep(most: number = keysPerSweep): void {
    let left = Math.min(most, this.#keys.size);
    for (const key of this.#keys) {
      if (left-- === 0) break;
      this.#keys.delete(key);
      if (this.#stillThere(key)) this.#keys.add(key);
    }
    if (this.#keys.size === 0) this.#stop();
  }

  close(): void {
    this.#keys.clear();
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
