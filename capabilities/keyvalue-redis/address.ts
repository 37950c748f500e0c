import type { StorePlace } from "../keyvalue/linked-stores.ts";

/** A Redis server and who we are there. */
export interface RedisPlace extends StorePlace {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const standardPort = 6_379;

/**
 * Reads `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS; a lone `host[:port]` is
 * accepted too. What is wrong goes to `problems`, which never repeat the text: it may hold a password.
 * Source: waPC and actors reference, section 15.
 */
export function readRedisUrl(text: string, problems: string[]): RedisPlace {
  const whole = text.includes("://") ? text : `redis://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url === undefined || (url.protocol !== "redis:" && url.protocol !== "rediss:")) {
    problems.push("url is no redis:// or rediss:// URL");
    return placeOf("localhost", standardPort, 0, false);
  }
  const database = /^\/?(\d{0,5})\/?$/.exec(url.pathname)?.[1];
  if (database === undefined) problems.push("the path of url is no database number");
  if (url.search !== "" || url.hash !== "") problems.push("url takes no parameters after ? or #");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (host === "") problems.push("url names no host");
  return placeOf(
    host,
    url.port === "" ? standardPort : Number(url.port),
    Number(database ?? 0),
    url.protocol === "rediss:",
    decoded(url.username, problems),
    decoded(url.password, problems),
  );
}

function placeOf(
  host: string,
  port: number,
  database: number,
  tls: boolean,
  username?: string,
  password?: string,
): RedisPlace {
  const shown = host.includes(":") ? `[${host}]` : host;
  return {
    id: JSON.stringify([host, port, database, tls, username, password]),
    title: `Redis at ${shown}:${port}${database === 0 ? "" : `/${database}`}`,
    host,
    port,
    database,
    tls,
    username,
    password,
  };
}

function decoded(text: string, problems: string[]): string | undefined {
  try {
    return text === "" ? undefined : decodeURIComponent(text);
  } catch {
    problems.push("user or password of url has a % that encodes nothing");
    return undefined;
  }
}
