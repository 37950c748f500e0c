import type { Redis } from "ioredis";
import { fail } from "../../lattice/index.ts";
import type { CopyableStore, SetChange, StoreEntry, Value } from "../keyvalue/store.ts";
import { valueOf } from "../keyvalue/values.ts";
import { type Attempt, type Held, inRange, wrongType } from "../keyvalue/wrong-type.ts";
import type { Health } from "../provider.ts";
import { clearKeys, countKeys, loadEntry, readEntries } from "./copying.ts";
import type { RedisConnection } from "./connection.ts";

const same = <T>(reply: T): T => reply;
const some = (count: number): boolean => count > 0;
const nothing = (): void => undefined;
const optional = (bytes: Buffer | null): Value | undefined => (bytes === null ? undefined : valueOf(bytes));

/** Key-value in a Redis server, where values are strings, lists lists and sets sets, as others see them too. */
export class RedisStore implements CopyableStore {
  readonly name: string;
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.name = connection.title;
    this.#connection = connection;
  }

  get(key: string): Promise<Value | undefined> {
    return this.#ask("get", [key], (redis) => redis.getBuffer(key), optional);
  }

  set(key: string, value: Value, expiresSeconds: number): Promise<void> {
    const content = typeof value === "string" ? value : Buffer.from(value);
    return this.#ask(
      "set",
      [key],
      (redis) => (expiresSeconds === 0 ? redis.set(key, content) : redis.set(key, content, "EX", expiresSeconds)),
      nothing,
    );
  }

  delete(key: string): Promise<boolean> {
    return this.#ask("delete", [key], (redis) => redis.del(key), some);
  }

  contains(key: string): Promise<boolean> {
    return this.#ask("contains", [key], (redis) => redis.exists(key), some);
  }

  /** A count beyond 32 bits is taken back at once; somebody else may have seen it. */
  increment(key: string, by: number): Promise<number> {
    return this.#ask(
      "increment",
      [key],
      (redis) => redis.incrby(key, by),
      (sum) => (inRange(sum) ? sum : this.#takeBack(key, by)),
    );
  }

  async #takeBack(key: string, by: number): Promise<never> {
    await this.#ask("increment", [key], (redis) => redis.incrby(key, -by), nothing);
    throw fail("COUNTER_OVERFLOW", "increment", key);
  }

  listAdd(key: string, value: string): Promise<number> {
    return this.#ask("add to list", [key], (redis) => redis.rpush(key, value), same);
  }

  listRemoveFirst(key: string, value: string): Promise<boolean> {
    return this.#ask("remove from list", [key], (redis) => redis.lrem(key, 1, value), some);
  }

  listRemoveAll(key: string, value: string): Promise<number> {
    return this.#ask(
      "remove from list",
      [key],
      (redis) => Promise.all([redis.lrem(key, 0, value), redis.llen(key)]),
      ([, left]) => left,
    );
  }

  listRange(key: string, start: number, stop: number): Promise<string[]> {
    return this.#ask("read list", [key], (redis) => redis.lrange(key, start, stop), same);
  }

  setAdd(key: string, value: string): Promise<SetChange> {
    return this.#ask(
      "add to set",
      [key],
      (redis) => Promise.all([redis.sadd(key, value), redis.scard(key)]),
      ([changed, size]) => ({ changed, size }),
    );
  }

  setRemove(key: string, value: string): Promise<SetChange> {
    return this.#ask(
      "remove from set",
      [key],
      (redis) => Promise.all([redis.srem(key, value), redis.scard(key)]),
      ([changed, size]) => ({ changed, size }),
    );
  }

  setQuery(key: string): Promise<string[]> {
    return this.#ask("read set", [key], (redis) => redis.smembers(key), same);
  }

  async setUnion(keys: readonly string[]): Promise<string[]> {
    return keys.length === 0 ? [] : this.#ask("read set", keys, (redis) => redis.sunion(...keys), same);
  }

  async setIntersection(keys: readonly string[]): Promise<string[]> {
    return keys.length === 0 ? [] : this.#ask("read set", keys, (redis) => redis.sinter(...keys), same);
  }

  async *entries(prefix: string): AsyncGenerator<StoreEntry> {
    try {
      yield* readEntries(this.#connection.ready(), prefix);
    } catch (error) {
      throw await this.#meaning("copy", [], error);
    }
  }

  count(prefix: string): Promise<number> {
    return this.#ask("count", [], (redis) => countKeys(redis, prefix), same);
  }

  clear(prefix: string): Promise<number> {
    return this.#ask("clear", [], (redis) => clearKeys(redis, prefix), same);
  }

  load(entry: StoreEntry): Promise<void> {
    return this.#ask("load", [entry.key], (redis) => loadEntry(redis, entry), same);
  }

  health(): Promise<Health> {
    return this.#connection.health();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** One promise for success and failure alike: each more costs a call 0.1 us. */
  #ask<Reply, T>(
    attempt: string,
    keys: readonly string[],
    command: (redis: Redis) => Promise<Reply>,
    read: (reply: Reply) => T | Promise<T>,
  ): Promise<T> {
    return command(this.#connection.ready()).then(read, async (error: unknown) => {
      throw await this.#meaning(attempt, keys, error);
    });
  }

  async #meaning(attempt: string, keys: readonly string[], error: unknown): Promise<unknown> {
    const { message } = error as Error;
    const [key = ""] = keys;
    if (/^ERR .*would overflow/.test(message)) return fail("COUNTER_OVERFLOW", "increment", key);
    if (message.startsWith("ERR value is not an integer"))
      return wrongType("increment", key, "text that is no whole number");
    if (message.startsWith("WRONGTYPE")) return this.#misfit(attempt as Attempt, keys);
    return this.#connection.failure(attempt, error);
  }

  /** The first key that holds something else; the server does not say which and what. */
  async #misfit(attempt: Attempt, keys: readonly string[]): Promise<unknown> {
    const wanted = attempt.endsWith("list") ? "list" : attempt.endsWith("set") ? "set" : "string";
    for (const key of keys) {
      const type = await this.#connection.client.type(key);
      if (type !== wanted && type !== "none") {
        return wrongType(attempt, key, type === "string" ? "value" : (type as Held));
      }
    }
    return wrongType(attempt, keys[0] ?? "", "value");
  }
}
