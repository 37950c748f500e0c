import { fail } from "../../lattice/index.ts";
import { LinkedStores } from "../keyvalue/linked-stores.ts";
import { type RedisPlace, readRedisUrl } from "./address.ts";
import { RedisConnection, type RedisConnectionOptions } from "./connection.ts";
import { RedisStore } from "./store.ts";

export interface RedisKeyvalueOptions extends RedisConnectionOptions {
  /** Server of links that name none: `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS. */
  readonly url?: string;
}

/**
 * Key-value in Redis servers. A link's `URL` names its server, its `prefix` what its keys start with;
 * links to one server share a connection. Sentinels and clusters are not spoken to.
 * @throws LatticeError OPTION_OUT_OF_RANGE when `url` is none.
 */
export function redisKeyvalue(options: RedisKeyvalueOptions = {}): LinkedStores {
  const { url = "redis://127.0.0.1:6379" } = options;
  const problems: string[] = [];
  readRedisUrl(url, problems);
  if (problems.length > 0) throw fail("OPTION_OUT_OF_RANGE", "url", "not usable", `corrected: ${problems.join("; ")}`);
  return new LinkedStores<RedisPlace>({
    name: "key-value in Redis",
    stateless: true,
    placeOf: (values, wrong) => {
      const asked = values.get("url");
      // Another store's servers: the link was made for that one.
      return readRedisUrl(asked === undefined || /^(nats|tls):/.test(asked) ? url : asked, wrong);
    },
    open: async (place, report) => new RedisStore(await RedisConnection.open(place, options, report)),
  });
}
