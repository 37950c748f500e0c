import { type State, describe, fail, isLatticeError } from "../../lattice/index.ts";
import type { CopyableStore, SetChange, StoreEntry, Value } from "../keyvalue/store.ts";
import { type Attempt, counted, rangeOf, wrongType } from "../keyvalue/wrong-type.ts";
import type { Health } from "../provider.ts";
import { type Content, decodeContent } from "./content.ts";
import { KeyTurns, type Step } from "./key-turns.ts";
import { decodeKey, encodeKey } from "./keys.ts";

export interface StateStoreOptions {
  /** Names the store in errors; no secret. */
  readonly name: string;
  /** Why the server is away; undefined while it is there. */
  readonly away?: () => string | undefined;
  /** The clock, in milliseconds since 1970. For tests. */
  readonly now?: () => number;
  readonly close?: () => Promise<void>;
}

/** Against hosts that write the same key at the same moment. */
const mostAttempts = 50;
/** No key of ours: the digits of a byte are missing. */
const healthKey = "=health";

/**
 * Key-value in a shared state of the lattice, a JetStream bucket. A list or set is one value, rewritten by
 * each change; unions and intersections read their sets one after the other. Expiry is kept beside
 * the value and honoured by every reader of ours, by the clock of its host: no server is relied on for it,
 * and what has expired stays in the bucket until somebody meets it.
 */
export class StateStore implements CopyableStore {
  readonly name: string;
  readonly #state: State;
  readonly #turns: KeyTurns;
  readonly #now: () => number;
  readonly #away: () => string | undefined;
  readonly #close: (() => Promise<void>) | undefined;

  constructor(state: State, { name, away = () => undefined, now = Date.now, close }: StateStoreOptions) {
    this.name = name;
    this.#state = state;
    this.#now = now;
    this.#away = away;
    this.#close = close;
    const exhausted = () =>
      fail("STORE_UNAVAILABLE", name, `others changed the same key ${mostAttempts} times meanwhile`);
    this.#turns = new KeyTurns(state, { now, mostAttempts, exhausted });
  }

  get(key: string): Promise<Value | undefined> {
    return this.#change(key, (content) => ({ content, answer: valueIn(content, "get", key) }));
  }

  async set(key: string, value: Value, expiresSeconds: number): Promise<void> {
    const expiresAt = expiresSeconds === 0 ? 0 : this.#now() + expiresSeconds * 1_000;
    const content: Content = { kind: "value", value, expiresAt };
    await this.#change(key, () => ({ content, answer: undefined }), true);
  }

  delete(key: string): Promise<boolean> {
    return this.#change(key, (content) => ({ content: undefined, answer: content !== undefined }));
  }

  contains(key: string): Promise<boolean> {
    return this.#change(key, (content) => ({ content, answer: content !== undefined }));
  }

  increment(key: string, by: number): Promise<number> {
    return this.#change(key, (content) => {
      const sum = counted(key, valueIn(content, "increment", key), by);
      return { content: { kind: "value", value: String(sum), expiresAt: content?.expiresAt ?? 0 }, answer: sum };
    });
  }

  listAdd(key: string, value: string): Promise<number> {
    return this.#change(key, (content) => {
      const items = [...itemsIn(content, "list", "add to list", key), value];
      return { content: holding(content, "list", items), answer: items.length };
    });
  }

  listRemoveFirst(key: string, value: string): Promise<boolean> {
    return this.#change(key, (content) => {
      const items = itemsIn(content, "list", "remove from list", key);
      const at = items.indexOf(value);
      return at < 0
        ? { content, answer: false }
        : { content: holding(content, "list", items.toSpliced(at, 1)), answer: true };
    });
  }

  listRemoveAll(key: string, value: string): Promise<number> {
    return this.#change(key, (content) => {
      const items = itemsIn(content, "list", "remove from list", key);
      const left = items.filter((item) => item !== value);
      const same = left.length === items.length;
      return { content: same ? content : holding(content, "list", left), answer: left.length };
    });
  }

  listRange(key: string, start: number, stop: number): Promise<string[]> {
    return this.#change(key, (content) => ({
      content,
      answer: rangeOf(itemsIn(content, "list", "read list", key), start, stop),
    }));
  }

  setAdd(key: string, value: string): Promise<SetChange> {
    return this.#change(key, (content) => {
      const items = itemsIn(content, "set", "add to set", key);
      if (items.includes(value)) return { content, answer: { changed: 0, size: items.length } };
      return {
        content: holding(content, "set", [...items, value]),
        answer: { changed: 1, size: items.length + 1 },
      };
    });
  }

  setRemove(key: string, value: string): Promise<SetChange> {
    return this.#change(key, (content) => {
      const items = itemsIn(content, "set", "remove from set", key);
      const left = items.filter((item) => item !== value);
      const changed = items.length - left.length;
      return {
        content: changed === 0 ? content : holding(content, "set", left),
        answer: { changed, size: left.length },
      };
    });
  }

  setQuery(key: string): Promise<string[]> {
    return this.#change(key, (content) => ({ content, answer: [...itemsIn(content, "set", "read set", key)] }));
  }

  async setUnion(keys: readonly string[]): Promise<string[]> {
    return [...new Set((await this.#sets(keys)).flat())];
  }

  async setIntersection(keys: readonly string[]): Promise<string[]> {
    const [first = [], ...others] = await this.#sets(keys);
    const sets = others.map((members) => new Set(members));
    return first.filter((member) => sets.every((set) => set.has(member)));
  }

  /** Reads the whole bucket at once: it is for stores of some ten thousand keys. */
  async *entries(prefix: string): AsyncGenerator<StoreEntry> {
    const now = this.#now();
    for (const { key: encoded, value } of await this.#asked(() => this.#state.list())) {
      const key = decodeKey(encoded);
      if (key === undefined || !key.startsWith(prefix)) continue;
      const { expiresAt, ...content } = decodeContent(value);
      if (expiresAt === 0) yield { key, ...content };
      else if (expiresAt > now) yield { key, expiresAt, ...content };
    }
  }

  async count(prefix: string): Promise<number> {
    return (await Array.fromAsync(this.entries(prefix))).length;
  }

  async clear(prefix: string): Promise<number> {
    let cleared = 0;
    for await (const { key } of this.entries(prefix)) if (await this.delete(key)) cleared++;
    return cleared;
  }

  async load(entry: StoreEntry): Promise<void> {
    const { key, expiresAt = 0, ...held } = entry;
    const content: Content = { ...held, expiresAt };
    const gone = expiresAt !== 0 && expiresAt <= this.#now();
    await this.#change(key, () => ({ content: gone ? undefined : content, answer: undefined }), true);
  }

  async health(): Promise<Health> {
    try {
      await this.#asked(() => this.#state.get(healthKey));
      return { healthy: true };
    } catch (error) {
      return { healthy: false, message: describe(error) };
    }
  }

  async close(): Promise<void> {
    await this.#close?.();
  }

  #sets(keys: readonly string[]): Promise<string[][]> {
    return Promise.all(keys.map((key) => this.setQuery(key)));
  }

  #change<T>(key: string, step: Step<T>, blind = false): Promise<T> {
    return this.#asked(() => this.#turns.take(encodeKey(key), step, blind));
  }

  async #asked<T>(work: () => Promise<T>): Promise<T> {
    const why = this.#away();
    if (why !== undefined) throw fail("STORE_UNAVAILABLE", this.name, why);
    try {
      return await work();
    } catch (error) {
      if (
        !isLatticeError(error) ||
        !["STATE_UNAVAILABLE", "RPC_TIMEOUT", "STOPPED", "NO_RESPONDERS"].includes(error.code)
      )
        throw error;
      throw fail("STORE_UNAVAILABLE", this.name, error.message.replace(/^shared state \S+ is unavailable: /, ""));
    }
  }
}

function valueIn(content: Content | undefined, attempt: Attempt, key: string): Value | undefined {
  if (content === undefined) return undefined;
  if (content.kind !== "value") throw wrongType(attempt, key, content.kind);
  return content.value;
}

function itemsIn(content: Content | undefined, kind: "list" | "set", attempt: Attempt, key: string): readonly string[] {
  if (content === undefined) return [];
  if (content.kind !== kind) throw wrongType(attempt, key, content.kind);
  return content.items;
}

/** An empty list or set is no key; the expiry stays. */
function holding(before: Content | undefined, kind: "list" | "set", items: readonly string[]): Content | undefined {
  return items.length === 0 ? undefined : { kind, items, expiresAt: before?.expiresAt ?? 0 };
}
