import type { ChainableCommander, Redis } from "ioredis";
import type { StoreEntry } from "../keyvalue/store.ts";
import { bytesOf, valueOf } from "../keyvalue/values.ts";

const keysPerStep = 500;
const itemsPerCommand = 1_000;

/** Every key that starts with `prefix`, some twice while the table of the server grows. */
async function* scan(redis: Redis, prefix: string): AsyncGenerator<string[]> {
  const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}*`;
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "MATCH", pattern, "COUNT", keysPerStep);
    cursor = next;
    if (keys.length > 0) yield keys;
  } while (cursor !== "0");
}

/** What other programs keep there as hashes, streams and the like is passed over: no actor reaches it. */
export async function* readEntries(redis: Redis, prefix: string): AsyncGenerator<StoreEntry> {
  const seen = new Set<string>();
  for await (const batch of scan(redis, prefix)) {
    const keys = batch.filter((key) => !seen.has(key) && seen.add(key));
    const now = Date.now();
    const facts = await Promise.all(keys.map((key) => Promise.all([redis.type(key), redis.pttl(key)])));
    const entries = await Promise.all(keys.map((key, at) => readEntry(redis, key, facts[at]!, now)));
    for (const entry of entries) if (entry) yield entry;
  }
}

async function readEntry(
  redis: Redis,
  key: string,
  [type, leftMs]: [string, number],
  now: number,
): Promise<StoreEntry | undefined> {
  const rest = leftMs < 0 ? { key } : { key, expiresAt: now + leftMs };
  switch (type) {
    case "string": {
      const bytes = await redis.getBuffer(key);
      return bytes === null ? undefined : { ...rest, kind: "value", value: valueOf(bytes) };
    }
    case "list":
      return { ...rest, kind: "list", items: await redis.lrange(key, 0, -1) };
    case "set":
      return { ...rest, kind: "set", items: await redis.smembers(key) };
    default:
      return undefined;
  }
}

export async function countKeys(redis: Redis, prefix: string): Promise<number> {
  if (prefix === "") return redis.dbsize();
  const seen = new Set<string>();
  for await (const keys of scan(redis, prefix)) for (const key of keys) seen.add(key);
  return seen.size;
}

export async function clearKeys(redis: Redis, prefix: string): Promise<number> {
  let cleared = 0;
  for await (const keys of scan(redis, prefix)) cleared += await redis.del(...keys);
  return cleared;
}

/** In one step: nobody sees half a list. */
export async function loadEntry(redis: Redis, entry: StoreEntry): Promise<void> {
  const { key, expiresAt } = entry;
  const steps = redis.multi().del(key);
  if (expiresAt === undefined || expiresAt > Date.now()) {
    if (entry.kind === "value") steps.set(key, Buffer.from(bytesOf(entry.value)));
    else addItems(steps, key, entry.kind, entry.items);
    if (expiresAt !== undefined) steps.pexpireat(key, Math.ceil(expiresAt));
  }
  const answers = await steps.exec();
  for (const [error] of answers ?? []) if (error) throw error;
}

function addItems(steps: ChainableCommander, key: string, kind: "list" | "set", items: readonly string[]): void {
  for (let at = 0; at < items.length; at += itemsPerCommand) {
    const some = items.slice(at, at + itemsPerCommand);
    if (kind === "list") steps.rpush(key, ...some);
    else steps.sadd(key, ...some);
  }
}
