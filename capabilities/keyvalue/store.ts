import type { Health } from "../provider.ts";

/** An answer that is there, or comes. A store that can answers at once: then no guest is suspended. */
export type Answer<T> = T | Promise<T>;

/**
 * A value as the actor gave it. Every era's contract says text; bytes are kept as they came only
 * where they are not UTF-8, so that two equal values are always of one form.
 */
export type Value = string | Uint8Array;

/** What changed in a set: members added or removed, and how many it has now. */
export interface SetChange {
  readonly changed: number;
  readonly size: number;
}

/**
 * What stands behind the contract `wasmcloud:keyvalue`: the operations of both eras as one set, with
 * the meaning Redis gives them. A key holds a value, a list or a set; an empty list or set is no key.
 * Answers are the caller's own.
 * @throws LatticeError WRONG_TYPE (all that read or change) when the key holds something else, STORE_FULL
 */
export interface KeyvalueStore {
  readonly name: string;
  get(key: string): Answer<Value | undefined>;
  /** Replaces whatever the key held, its expiry too; `expiresSeconds` 0 means never. */
  set(key: string, value: Value, expiresSeconds: number): Answer<void>;
  /** Deletes a key of any type; tells whether it was there. */
  delete(key: string): Answer<boolean>;
  contains(key: string): Answer<boolean>;
  /**
   * Adds to a whole number kept as text; a missing key counts from 0, the expiry stays.
   * @throws LatticeError WRONG_TYPE when it holds no whole number, COUNTER_OVERFLOW beyond 32 bits with sign (nothing is changed)
   */
  increment(key: string, by: number): Answer<number>;
  /** Appends; answers the new length. */
  listAdd(key: string, value: string): Answer<number>;
  /** Removes the first such item; tells whether there was one. */
  listRemoveFirst(key: string, value: string): Answer<boolean>;
  /** Removes every such item; answers the new length. */
  listRemoveAll(key: string, value: string): Answer<number>;
  /** Items from `start` to `stop`, both counted in; negative ones count from the end, -1 is the last. */
  listRange(key: string, start: number, stop: number): Answer<string[]>;
  setAdd(key: string, value: string): Answer<SetChange>;
  setRemove(key: string, value: string): Answer<SetChange>;
  /** Members in no order that means something. */
  setQuery(key: string): Answer<string[]>;
  setUnion(keys: readonly string[]): Answer<string[]>;
  setIntersection(keys: readonly string[]): Answer<string[]>;
  /** Once, before the first operation, where there is something to open. */
  open?(): Promise<void>;
  health?(): Health | Promise<Health>;
  /** Finishes what was asked of it and lets go of connections, threads and timers. May be called twice. */
  close?(): void | Promise<void>;
}

/** One key with all it holds, for a copy from store to store. A counter is a value: its number as text. */
export type StoreEntry = {
  readonly key: string;
  /** When it vanishes, in milliseconds since 1970; undefined = never. */
  readonly expiresAt?: number;
} & (
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "list" | "set"; readonly items: readonly string[] }
);

/** A store that can be copied. Each of these looks only at keys that start with `prefix`; "" means all. */
export interface CopyableStore extends KeyvalueStore {
  /** Every key that stands, each once, in no order; keys changed meanwhile may be old or new. */
  entries(prefix: string): Iterable<StoreEntry> | AsyncIterable<StoreEntry>;
  /** How many keys stand; on a store in use an estimate. */
  count(prefix: string): Answer<number>;
  /** Deletes the keys and tells how many it were. */
  clear(prefix: string): Answer<number>;
  /** Puts a key as it was elsewhere, replacing what it held; one whose time has passed is deleted. */
  load(entry: StoreEntry): Answer<void>;
}

/** Tells whether a store can be copied. */
export function isCopyable(store: KeyvalueStore): store is CopyableStore {
  return "entries" in store && "load" in store;
}
