import { readFile } from "node:fs/promises";
import type { Redis } from "ioredis";
import { describe, type LatticeError, fail } from "../../lattice/index.ts";
import type { Report } from "../keyvalue/linked-stores.ts";
import type { Health } from "../provider.ts";
import type { RedisPlace } from "./address.ts";
import { loadClient } from "./load-client.ts";

export interface RedisConnectionOptions {
  /** Certificate authority of TLS servers, a PEM file; default: those that Node trusts. */
  readonly caFile?: string;
  /** Silence in milliseconds after which a connection with open commands is given up. Default 5000. */
  readonly silenceMs?: number;
}

const connectMs = 3_000;
const longestPauseMs = 2_000;

/**
 * One connection to a Redis server that comes back by itself. Commands of one turn of the event loop
 * go out together. While the server is away commands fail at once, and none is ever sent twice:
 * whoever asked decides whether to ask again.
 */
export class RedisConnection {
  readonly title: string;
  readonly client: Redis;
  #why = "not connected yet";
  #wasReady = false;

  private constructor(title: string, client: Redis, report: Report) {
    this.title = title;
    this.client = client;
    client.on("error", (error: Error) => (this.#why = reason(error)));
    client.on("ready", () => {
      if (this.#wasReady) report("info", `${title} is back`);
      this.#wasReady = true;
      this.#why = "the connection was lost";
    });
    client.on("close", () => {
      if (this.#wasReady && client.status !== "end") report("warn", `${title} is away: ${this.#why}`);
    });
  }

  /** Resolves when the server answers or the first attempt has failed. @throws LatticeError FILE_UNREADABLE. */
  static async open(place: RedisPlace, options: RedisConnectionOptions, report: Report): Promise<RedisConnection> {
    const Redis = await loadClient();
    const { host, port, database, tls, username, password, title } = place;
    const { caFile, silenceMs = 5_000 } = options;
    const client = new Redis({
      host,
      port,
      db: database,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls && { tls: caFile === undefined ? {} : { ca: await readPem(caFile) } }),
      lazyConnect: true,
      enableAutoPipelining: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: connectMs,
      socketTimeout: silenceMs,
      // The second protocol is spoken by every server there is.
      protocol: 2,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), longestPauseMs) * (0.75 + Math.random() / 2),
    });
    const connection = new RedisConnection(title, client, report);
    await client.connect().catch(() => undefined);
    return connection;
  }

  /** The client, for commands. @throws LatticeError STORE_UNAVAILABLE at once while the server is away. */
  ready(): Redis {
    if (this.client.status !== "ready") throw this.away();
    return this.client;
  }

  away(why: string = this.#why): LatticeError {
    return fail("STORE_UNAVAILABLE", this.title, why);
  }

  /** What a failed command means, where it is about the server. */
  failure(attempt: string, error: unknown): LatticeError {
    const { name, message } = error as Error;
    if (!/^[A-Z]{3,} /.test(message)) return this.away(reason(error as Error));
    if (/^(LOADING|MASTERDOWN|CLUSTERDOWN|BUSY|NOAUTH|TRYAGAIN) /.test(message)) return this.away(message);
    // What a server quotes of a command is the actor's.
    const why = message.replace(/,? with args beginning with.*$/s, "");
    return fail("PROVIDER_FAILED", this.title, attempt, why || name);
  }

  async health(): Promise<Health> {
    if (this.client.status !== "ready") return { healthy: false, message: this.away().message };
    try {
      await this.client.ping();
      return { healthy: true };
    } catch (error) {
      return { healthy: false, message: this.failure("ping", error).message };
    }
  }

  /** Lets what was asked be answered first: a command queued last is answered last. */
  async close(): Promise<void> {
    if (this.client.status === "ready") await this.client.ping().catch(() => undefined);
    this.client.disconnect();
  }
}

/** Why a connection is not there, without what we sent. */
function reason(error: Error & { code?: string }): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "connection refused";
    case "ENOTFOUND":
      return "no such host";
    case "ETIMEDOUT":
      return "connecting took too long";
    case undefined:
      break;
    default:
      return error.code;
  }
  if (/^(WRONGPASS|NOAUTH|NOPERM)|AUTH/.test(error.message)) return "it refuses user or password";
  if (
    error.name === "MaxRetriesPerRequestError" ||
    /connection is closed|stream isn't writeable/i.test(error.message)
  ) {
    return "the connection was lost; whether the operation was done is not known";
  }
  return error.message;
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw fail("FILE_UNREADABLE", file, describe(error));
  }
}
