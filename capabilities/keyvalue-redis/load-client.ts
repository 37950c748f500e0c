import { createRequire } from "node:module";
import { setImmediate } from "node:timers/promises";

/**
 * Parts of the client's package, each before those that need it. Loaded at once they hold the thread
 * for 50 ms, in which no call is answered; one a turn, none for more than 15.
 */
export const pieces: readonly string[] = [
  "node:assert",
  "node:crypto",
  "node:tls",
  "ioredis/built/utils/index.js",
  "ioredis/built/Command.js",
  "ioredis/built/Script.js",
  "ioredis/built/utils/Commander.js",
  "ioredis/built/himport/HimportCoordinator.js",
  "ioredis/built/Pipeline.js",
  "ioredis/built/transaction.js",
  "ioredis/built/redis/RedisOptions.js",
];

const require = createRequire(import.meta.url);

/** The Redis client, loaded while calls go on. */
export async function loadClient(): Promise<typeof import("ioredis").Redis> {
  for (const piece of pieces) {
    try {
      require(piece);
    } catch {
      // Another version of the package keeps it elsewhere: then it comes with the rest.
    }
    await setImmediate();
  }
  const { Redis } = await import("ioredis");
  return Redis;
}
