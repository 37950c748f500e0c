/** What the queue reads of its items. */
export interface Queued {
  readonly call: { readonly hops: number; readonly deadline: number };
}

/** Deeper calls share the last lane. */
const deepestLane = 31;

/**
 * The calls that wait for an instance of one pool, first come first served.
 *
 * Calls from outside (hop 0) and nested ones wait in lanes of their own and take turns. Of nested
 * calls the deepest goes first: those before it in its chain hold instances until it is done.
 */
export class CallQueue<T extends Queued> {
  length = 0;
  readonly #outer = new Lane<T>();
  /** By hops, from 1; made when first used. */
  readonly #nested: (Lane<T> | undefined)[] = [];
  #nestedLength = 0;
  #nestedNext = false;

  push(item: T): void {
    this.length++;
    const { hops } = item.call;
    if (hops <= 0) {
      this.#outer.push(item);
      return;
    }
    this.#nestedLength++;
    (this.#nested[Math.min(hops, deepestLane)] ??= new Lane()).push(item);
  }

  /** The next call of at least `hops`, if one waits. */
  shift(hops = 0): T | undefined {
    if (this.length === 0) return undefined;
    if (hops > 0) return this.deepest >= hops ? this.#shiftDeepest() : undefined;
    if (this.#nestedLength > 0) {
      this.#nestedNext = !this.#nestedNext;
      if (this.#nestedNext || this.#outer.length === 0) return this.#shiftDeepest();
    }
    this.length--;
    return this.#outer.shift();
  }

  /** Hops of the deepest call that waits; 0 when only calls from outside do. */
  get deepest(): number {
    if (this.#nestedLength === 0) return 0;
    for (let hops = this.#nested.length - 1; hops > 0; hops--) if ((this.#nested[hops]?.length ?? 0) > 0) return hops;
    return 0;
  }

  /** Takes out every call whose deadline has passed. */
  expired(now: number): T[] {
    return this.remove(({ call }) => now >= call.deadline);
  }

  /** Takes out everything. */
  clear(): T[] {
    return this.remove(() => true);
  }

  /** Takes out all that are `unwanted`. */
  remove(unwanted: (item: T) => boolean): T[] {
    if (this.length === 0) return [];
    const removed = this.#outer.remove(unwanted);
    if (this.#nestedLength > 0) {
      for (const lane of this.#nested) {
        const nested = lane?.remove(unwanted) ?? [];
        this.#nestedLength -= nested.length;
        removed.push(...nested);
      }
    }
    this.length -= removed.length;
    return removed;
  }

  #shiftDeepest(): T | undefined {
    const lane = this.#nested[this.deepest];
    if (!lane) return undefined;
    this.#nestedLength--;
    this.length--;
    return lane.shift();
  }
}

/** First in, first out: a ring that doubles when it is full. */
class Lane<T extends Queued> {
  length = 0;
  #ring: (T | undefined)[] = Array.from({ length: 16 });
  #head = 0;

  push(item: T): void {
    if (this.length === this.#ring.length) this.#relay([...this.#items()], this.length * 2);
    this.#ring[(this.#head + this.length++) & (this.#ring.length - 1)] = item;
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.length--;
    return item;
  }

  remove(unwanted: (item: T) => boolean): T[] {
    const removed: T[] = [];
    const kept: T[] = [];
    for (const item of this.#items()) (unwanted(item) ? removed : kept).push(item);
    if (removed.length > 0) this.#relay(kept, this.#ring.length);
    return removed;
  }

  *#items(): Generator<T> {
    for (let i = 0; i < this.length; i++) yield this.#ring[(this.#head + i) & (this.#ring.length - 1)]!;
  }

  /** `size` is a power of two. */
  #relay(items: T[], size: number): void {
    this.#ring = Array.from({ length: size }, (_, i) => items[i]);
    this.#head = 0;
    this.length = items.length;
  }
}
