import type { Redis } from "ioredis";
import { fail } from "../../lattice/index.ts";
import type { CopyableStore, SetChange, StoreEntry, Value } from "../keyvalue/store.ts";
import { bytesOf, valueOf } from "../keyvalue/values.ts";
import { type Attempt, type Held, inRange, wrongType } from "../keyvalue/wrong-type.ts";
import type { Health } from "../provider.ts";
import { clearKeys, countKeys, loadEntry, readEntries } from "./copying.ts";
import type { RedisConnection } from "./connection.ts";

/** Key-value in a Redis server, where values are strings, lists lists and sets sets, as others see them too. */
export class RedisStore implements CopyableStore {
  readonly name: string;
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.name = connection.title;
    this.#connection = connection;
  }

  get(key: string): Promise<Value | undefined> {
    return this.#ask("get", [key], (redis) => redis.getBuffer(key)).then((bytes) =>
      bytes === null ? undefined : valueOf(bytes),
    );
  }

  async set(key: string, value: Value, expiresSeconds: number): Promise<void> {
    const content = typeof value === "string" ? value : Buffer.from(value);
    await this.#ask("set", [key], (redis) =>
      expiresSeconds === 0 ? redis.set(key, content) : redis.set(key, content, "EX", expiresSeconds),
    );
  }

  delete(key: string): Promise<boolean> {
    return this.#ask("delete", [key], (redis) => redis.del(key)).then((deleted) => deleted > 0);
  }

  contains(key: string): Promise<boolean> {
    return this.#ask("contains", [key], (redis) => redis.exists(key)).then((found) => found > 0);
  }

  /** A count beyond 32 bits is taken back at once; somebody else may have seen it. */
  increment(key: string, by: number): Promise<number> {
    return this.#ask("increment", [key], (redis) => redis.incrby(key, by)).then((sum) =>
      inRange(sum) ? sum : this.#takeBack(key, by),
    );
  }

  async #takeBack(key: string, by: number): Promise<never> {
    await this.#ask("increment", [key], (redis) => redis.incrby(key, -by));
    throw fail("COUNTER_OVERFLOW", "increment", key);
  }

  listAdd(key: string, value: string): Promise<number> {
    return this.#ask("add to list", [key], (redis) => redis.rpush(key, value));
  }

  async listRemoveFirst(key: string, value: string): Promise<boolean> {
    return (await this.#ask("remove from list", [key], (redis) => redis.lrem(key, 1, value))) > 0;
  }

  async listRemoveAll(key: string, value: string): Promise<number> {
    const [, left] = await this.#ask("remove from list", [key], (redis) =>
      Promise.all([redis.lrem(key, 0, value), redis.llen(key)]),
    );
    return left;
  }

  listRange(key: string, start: number, stop: number): Promise<string[]> {
    return this.#ask("read list", [key], (redis) => redis.lrange(key, start, stop));
  }

  async setAdd(key: string, value: string): Promise<SetChange> {
    const [changed, size] = await this.#ask("add to set", [key], (redis) =>
      Promise.all([redis.sadd(key, value), redis.scard(key)]),
    );
    return { changed, size };
  }

  async setRemove(key: string, value: string): Promise<SetChange> {
    const [changed, size] = await this.#ask("remove from set", [key], (redis) =>
      Promise.all([redis.srem(key, value), redis.scard(key)]),
    );
    return { changed, size };
  }

  setQuery(key: string): Promise<string[]> {
    return this.#ask("read set", [key], (redis) => redis.smembers(key));
  }

  async setUnion(keys: readonly string[]): Promise<string[]> {
    return keys.length === 0 ? [] : this.#ask("read set", keys, (redis) => redis.sunion(...keys));
  }

  async setIntersection(keys: readonly string[]): Promise<string[]> {
    return keys.length === 0 ? [] : this.#ask("read set", keys, (redis) => redis.sinter(...keys));
  }

  async *entries(prefix: string): AsyncGenerator<StoreEntry> {
    try {
      yield* readEntries(this.#connection.ready(), prefix);
    } catch (error) {
      throw await this.#meaning("copy", [], error);
    }
  }

  count(prefix: string): Promise<number> {
    return this.#ask("count", [], (redis) => countKeys(redis, prefix));
  }

  clear(prefix: string): Promise<number> {
    return this.#ask("clear", [], (redis) => clearKeys(redis, prefix));
  }

  async load(entry: StoreEntry): Promise<void> {
    await this.#ask("load", [entry.key], (redis) => loadEntry(redis, entry, bytesOf));
  }

  health(): Promise<Health> {
    return this.#connection.health();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #ask<T>(attempt: string, keys: readonly string[], command: (redis: Redis) => Promise<T>): Promise<T> {
    return command(this.#connection.ready()).catch(async (error: unknown) => {
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
