/** Ids kept; at 5 000 invocations a second, what one core can verify, they last 26 s. */
const defaultCapacity = 131_072;

/**
 * Ids that were seen, each until it expires by itself. Bounded: over its capacity the oldest are
 * forgotten early, which `evicted` counts.
 */
export class ReplayCache {
  /** Id to the moment it may be forgotten, oldest first. */
  readonly #until = new Map<string, number>();
  readonly #capacity: number;
  #evicted = 0;

  constructor(capacity: number = defaultCapacity) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#until.size;
  }

  /** How many were forgotten before they expired. */
  get evicted(): number {
    return this.#evicted;
  }

  /** False when `id` was seen before. `until` and `now` are of one clock. */
  add(id: string, until: number, now: number): boolean {
    const known = this.#until.get(id);
    if (known !== undefined && known > now) return false;
    this.#until.delete(id);
    this.#makeRoom(now);
    this.#until.set(id, until);
    return true;
  }

  #makeRoom(now: number): void {
    for (const [id, until] of this.#until) {
      if (until > now && this.#until.size < this.#capacity) return;
      if (until > now) this.#evicted++;
      this.#until.delete(id);
    }
  }
}
