import { fail } from "../../lattice/index.ts";
import type { CopyableStore, SetChange, StoreEntry, Value } from "../keyvalue/store.ts";
import { type Attempt, counted, inRange, rangeOf, wrongType } from "../keyvalue/wrong-type.ts";
import { Expiries } from "./expiries.ts";

export interface MemoryStoreOptions {
  /** Bytes that keys and what they hold may take, estimated. Default 256 MiB. */
  maxBytes?: number;
  /** The clock, in milliseconds since 1970; by default one that never goes back. For tests. */
  now?: () => number;
}

/** What a key holds. A counter stays a number until somebody reads it as text. */
type Content = string | number | Uint8Array | string[] | Set<string>;

interface Entry {
  content: Content;
  /** By the store's clock; 0 = never. */
  expiresAt: number;
}

/** Of a key and its entry, beside the characters; an estimate that errs upwards for small ones. */
const entryBytes = 100;
const itemBytes = 24;

/**
 * Key-value in the memory of this thread: answers at once, gone with the process.
 * Expired keys vanish when met, and a sweep takes the others, a bounded number at a time.
 */
export class MemoryStore implements CopyableStore {
  readonly name = "key-value in memory";
  readonly #entries = new Map<string, Entry>();
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #expiries: Expiries;
  #bytes = 0;

  constructor({ maxBytes = 256 * 1024 * 1024, now = steadyNow }: MemoryStoreOptions = {}) {
    if (!(maxBytes > 0)) throw fail("OPTION_OUT_OF_RANGE", "maxBytes", maxBytes, "more than 0");
    this.#maxBytes = maxBytes;
    this.#now = now;
    this.#expiries = new Expiries((key) => this.#find(key) !== undefined);
  }

  /** Keys that stand, expired ones not yet swept included. */
  get size(): number {
    return this.#entries.size;
  }

  /** Estimated bytes in use. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Value | undefined {
    const content = this.#find(key)?.content;
    if (typeof content === "number") return String(content);
    if (Array.isArray(content) || content instanceof Set) throw misfit("get", key, content);
    return content;
  }

  set(key: string, value: Value, expiresSeconds: number): void {
    this.#put(key, value, expiresSeconds === 0 ? 0 : this.#now() + expiresSeconds * 1_000);
  }

  delete(key: string): boolean {
    const entry = this.#find(key);
    if (!entry) return false;
    this.#drop(key, entry);
    return true;
  }

  contains(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  increment(key: string, by: number): number {
    const entry = this.#find(key);
    const sum = add(key, entry?.content, by);
    if (entry === undefined) this.#put(key, sum, 0);
    else {
      // Text becomes a number, which counts no characters.
      if (typeof entry.content === "string") this.#bytes -= entry.content.length;
      entry.content = sum;
    }
    return sum;
  }

  listAdd(key: string, value: string): number {
    const list = this.#list("add to list", key);
    const more = itemBytes + value.length;
    if (list) {
      this.#charge(more);
      return list.push(value);
    }
    this.#put(key, [value], 0);
    return 1;
  }

  listRemoveFirst(key: string, value: string): boolean {
    const list = this.#list("remove from list", key);
    const at = list?.indexOf(value) ?? -1;
    if (!list || at < 0) return false;
    list.splice(at, 1);
    this.#shrink(key, list.length, 1, value);
    return true;
  }

  listRemoveAll(key: string, value: string): number {
    const list = this.#list("remove from list", key);
    if (!list) return 0;
    const kept = list.filter((item) => item !== value);
    const removed = list.length - kept.length;
    if (removed > 0) {
      this.#entries.get(key)!.content = kept;
      this.#shrink(key, kept.length, removed, value);
    }
    return kept.length;
  }

  listRange(key: string, start: number, stop: number): string[] {
    const list = this.#list("read list", key);
    if (!list) return [];
    return rangeOf(list, start, stop);
  }

  setAdd(key: string, value: string): SetChange {
    const set = this.#set("add to set", key);
    if (set?.has(value)) return { changed: 0, size: set.size };
    if (!set) this.#put(key, new Set([value]), 0);
    else {
      this.#charge(itemBytes + value.length);
      set.add(value);
    }
    return { changed: 1, size: set?.size ?? 1 };
  }

  setRemove(key: string, value: string): SetChange {
    const set = this.#set("remove from set", key);
    if (!set?.delete(value)) return { changed: 0, size: set?.size ?? 0 };
    this.#shrink(key, set.size, 1, value);
    return { changed: 1, size: set.size };
  }

  setQuery(key: string): string[] {
    return [...(this.#set("read set", key) ?? [])];
  }

  setUnion(keys: readonly string[]): string[] {
    const union = new Set<string>();
    for (const key of keys) for (const member of this.#set("read set", key) ?? []) union.add(member);
    return [...union];
  }

  setIntersection(keys: readonly string[]): string[] {
    const sets = keys.map((key) => this.#set("read set", key));
    const [first, ...others] = sets;
    return [...(first ?? [])].filter((member) => others.every((set) => set?.has(member)));
  }

  *entries(prefix: string): Generator<StoreEntry> {
    for (const key of this.#entries.keys()) {
      const entry = key.startsWith(prefix) ? this.#find(key) : undefined;
      if (!entry) continue;
      const { content, expiresAt } = entry;
      const rest = expiresAt === 0 ? { key } : { key, expiresAt };
      if (Array.isArray(content)) yield { ...rest, kind: "list", items: [...content] };
      else if (content instanceof Set) yield { ...rest, kind: "set", items: [...content] };
      else yield { ...rest, kind: "value", value: typeof content === "number" ? String(content) : content };
    }
  }

  count(prefix: string): number {
    return this.#standing(prefix).length;
  }

  clear(prefix: string): number {
    const keys = this.#standing(prefix);
    for (const key of keys) this.delete(key);
    return keys.length;
  }

  load(entry: StoreEntry): void {
    const { key, kind, expiresAt = 0 } = entry;
    const content = kind === "value" ? entry.value : kind === "list" ? [...entry.items] : new Set(entry.items);
    this.#put(key, content, expiresAt);
  }

  close(): void {
    this.#expiries.close();
    this.#entries.clear();
    this.#bytes = 0;
  }

  #standing(prefix: string): string[] {
    return [...this.#entries.keys()].filter((key) => key.startsWith(prefix) && this.#find(key) !== undefined);
  }

  #find(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAt === 0 || entry.expiresAt > this.#now()) return entry;
    this.#drop(key, entry);
    return undefined;
  }

  #put(key: string, content: Content, expiresAt: number): void {
    const held = this.#entries.get(key);
    this.#charge(cost(key, content) - (held ? cost(key, held.content) : 0));
    if (held) {
      held.content = content;
      held.expiresAt = expiresAt;
    } else this.#entries.set(key, { content, expiresAt });
    if (expiresAt === 0) this.#expiries.delete(key);
    else this.#expiries.add(key);
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#expiries.delete(key);
    this.#bytes -= cost(key, entry.content);
  }

  /** After items went: an empty list or set is no key. */
  #shrink(key: string, left: number, removed: number, value: string): void {
    this.#bytes -= removed * (itemBytes + value.length);
    if (left === 0) this.#drop(key, this.#entries.get(key)!);
  }

  #charge(bytes: number): void {
    if (bytes > 0 && this.#bytes + bytes > this.#maxBytes) throw fail("STORE_FULL", this.name, this.#maxBytes);
    this.#bytes += bytes;
  }

  #list(operation: Attempt, key: string): string[] | undefined {
    const content = this.#find(key)?.content;
    if (content === undefined || Array.isArray(content)) return content;
    throw misfit(operation, key, content);
  }

  #set(operation: Attempt, key: string): Set<string> | undefined {
    const content = this.#find(key)?.content;
    if (content === undefined || content instanceof Set) return content;
    throw misfit(operation, key, content);
  }
}

function steadyNow(): number {
  return performance.timeOrigin + performance.now();
}

/** A counter stays a number, so that counting parses nothing. */
function add(key: string, content: Content | undefined, by: number): number {
  if (Array.isArray(content) || content instanceof Set) throw misfit("increment", key, content);
  if (typeof content !== "number") return counted(key, content, by);
  const sum = content + by;
  if (!inRange(sum)) throw fail("COUNTER_OVERFLOW", "increment", key);
  return sum;
}

function misfit(attempt: Attempt, key: string, content: Content) {
  return wrongType(attempt, key, Array.isArray(content) ? "list" : content instanceof Set ? "set" : "value");
}

function cost(key: string, content: Content): number {
  let bytes = entryBytes + key.length;
  if (typeof content === "string" || content instanceof Uint8Array) bytes += content.length;
  else if (typeof content !== "number") for (const item of content) bytes += itemBytes + item.length;
  return bytes;
}
