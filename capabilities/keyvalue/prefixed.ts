import type { Answer, CopyableStore, KeyvalueStore, SetChange, StoreEntry, Value } from "./store.ts";
import { isCopyable } from "./store.ts";

/** The part of a store whose keys start with `prefix`, without it. Closing it leaves the store open. */
export function prefixed(store: KeyvalueStore, prefix: string): KeyvalueStore {
  if (prefix === "") return store;
  return isCopyable(store) ? new CopyablePart(store, prefix) : new Part(store, prefix);
}

class Part<Store extends KeyvalueStore> implements KeyvalueStore {
  readonly name: string;
  protected readonly whole: Store;
  protected readonly prefix: string;

  constructor(whole: Store, prefix: string) {
    this.name = whole.name;
    this.whole = whole;
    this.prefix = prefix;
  }

  get(key: string): Answer<Value | undefined> {
    return this.whole.get(this.prefix + key);
  }
  set(key: string, value: Value, expiresSeconds: number): Answer<void> {
    return this.whole.set(this.prefix + key, value, expiresSeconds);
  }
  delete(key: string): Answer<boolean> {
    return this.whole.delete(this.prefix + key);
  }
  contains(key: string): Answer<boolean> {
    return this.whole.contains(this.prefix + key);
  }
  increment(key: string, by: number): Answer<number> {
    return this.whole.increment(this.prefix + key, by);
  }
  listAdd(key: string, value: string): Answer<number> {
    return this.whole.listAdd(this.prefix + key, value);
  }
  listRemoveFirst(key: string, value: string): Answer<boolean> {
    return this.whole.listRemoveFirst(this.prefix + key, value);
  }
  listRemoveAll(key: string, value: string): Answer<number> {
    return this.whole.listRemoveAll(this.prefix + key, value);
  }
  listRange(key: string, start: number, stop: number): Answer<string[]> {
    return this.whole.listRange(this.prefix + key, start, stop);
  }
  setAdd(key: string, value: string): Answer<SetChange> {
    return this.whole.setAdd(this.prefix + key, value);
  }
  setRemove(key: string, value: string): Answer<SetChange> {
    return this.whole.setRemove(this.prefix + key, value);
  }
  setQuery(key: string): Answer<string[]> {
    return this.whole.setQuery(this.prefix + key);
  }
  setUnion(keys: readonly string[]): Answer<string[]> {
    return this.whole.setUnion(keys.map((key) => this.prefix + key));
  }
  setIntersection(keys: readonly string[]): Answer<string[]> {
    return this.whole.setIntersection(keys.map((key) => this.prefix + key));
  }
}

class CopyablePart extends Part<CopyableStore> implements CopyableStore {
  async *entries(prefix: string): AsyncGenerator<StoreEntry> {
    const { length } = this.prefix;
    for await (const entry of this.whole.entries(this.prefix + prefix)) {
      yield { ...entry, key: entry.key.slice(length) };
    }
  }
  count(prefix: string): Answer<number> {
    return this.whole.count(this.prefix + prefix);
  }
  clear(prefix: string): Answer<number> {
    return this.whole.clear(this.prefix + prefix);
  }
  load(entry: StoreEntry): Answer<void> {
    return this.whole.load({ ...entry, key: this.prefix + entry.key });
  }
}
