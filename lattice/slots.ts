/** Slots at once; a number is its slot and how often that was used. */
const mostSlots = 2 ** 20;
const mostUses = 2 ** 32;

/**
 * What waits, by numbers that are given out here: for what comes and goes with every call. A `Map` or
 * `Set` would keep all that: each time it is filled up and written anew the old table points to the
 * next, so that once one table has grown old enough to be left alone by the young collector, it holds
 * every later table and all that these held, until the next full collection. Measured on calls between
 * hosts: three quarters of all garbage was copied, a third of the time of a call.
 */
export class Slots<T> implements Iterable<T> {
  readonly #held: (T | undefined)[] = [];
  /** The number under which each slot is held now, or was last. */
  readonly #numbers: number[] = [];
  readonly #free: number[] = [];
  /** Whether the number that each slot had last may be given out once more. */
  readonly #again: boolean[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * Holds it until `take`, under a number that is not given out again soon; or, with `again`, under the last one
   * of a slot where that was allowed. @throws RangeError when a million are held.
   */
  add(value: T, again = false): number {
    const slot = this.#free.pop() ?? this.#held.length;
    if (slot >= mostSlots) throw new RangeError("too many wait at once");
    const last = this.#numbers[slot] ?? 0;
    const number =
      again && this.#again[slot] ? last : ((Math.floor(last / mostSlots) + 1) % mostUses) * mostSlots + slot;
    this.#again[slot] = false;
    this.#numbers[slot] = number;
    this.#held[slot] = value;
    this.#size++;
    return number;
  }

  get(number: number): T | undefined {
    const slot = number % mostSlots;
    return this.#numbers[slot] === number ? this.#held[slot] : undefined;
  }

  /**
   * What was held under this number, and is no more; undefined when nothing was. `again`: it may be given out
   * once more at once, to who can tell what was meant for another.
   */
  take(number: number, again = false): T | undefined {
    const value = this.get(number);
    if (value === undefined) return undefined;
    const slot = number % mostSlots;
    this.#held[slot] = undefined;
    this.#again[slot] = again;
    this.#free.push(slot);
    this.#size--;
    return value;
  }

  /** In no order. Whoever is taken or added meanwhile may be met or not. */
  *[Symbol.iterator](): Generator<T> {
    for (const value of this.#held) if (value !== undefined) yield value;
  }
}
