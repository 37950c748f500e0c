import { fail } from "../../lattice/index.ts";
import { LinkedStores, type Report, type StorePlace } from "../keyvalue/linked-stores.ts";
import { NatsConnection } from "../nats/connection.ts";
import { serverProblems, serversText } from "../nats/servers.ts";
import { StateStore } from "./store.ts";

export interface NatsKeyvalueOptions {
  /** Servers of links that name none: `nats://[user:password@]host[:port]`, `tls://`, several with commas. */
  readonly url?: string;
  /** Bucket of links that name none; made when it is missing. Default `wasmlattice-keyvalue`. */
  readonly bucket?: string;
  /** A credentials file of `nsc`. */
  readonly credsFile?: string;
}

interface NatsPlace extends StorePlace {
  readonly servers: readonly string[];
  readonly bucket: string;
}

/**
 * Key-value in JetStream buckets. A link's `url` names its servers, its `bucket` the bucket, its `prefix`
 * what its keys start with.
 * @throws LatticeError OPTION_OUT_OF_RANGE
 */
export function natsKeyvalue(options: NatsKeyvalueOptions = {}): LinkedStores {
  const { url = "nats://127.0.0.1:4222", bucket = "wasmlattice-keyvalue", credsFile } = options;
  const problems: string[] = [];
  readPlace(url, bucket, problems);
  if (problems.length > 0)
    throw fail("OPTION_OUT_OF_RANGE", "url or bucket", "not usable", `corrected: ${problems.join("; ")}`);
  return new LinkedStores<NatsPlace>({
    name: "key-value in NATS",
    stateless: true,
    placeOf: (values, wrong) => {
      const asked = values.get("url");
      // Another store's servers: the link was made for that one.
      const servers = asked === undefined || /^rediss?:/.test(asked) || !asked.includes("://") ? url : asked;
      return readPlace(servers, values.get("bucket") ?? bucket, wrong);
    },
    open: (place, report) => open(place, credsFile, report),
  });
}

/** Problems never repeat the text: it may hold a password. */
function readPlace(url: string, bucket: string, problems: string[]): NatsPlace {
  const servers = url.split(",").map((each) => each.trim());
  problems.push(...serverProblems(servers, "url"));
  if (!/^[-\w]{1,128}$/.test(bucket)) problems.push("bucket is no name of letters, digits, - and _");
  const title = `NATS bucket ${bucket} at ${serversText(servers)}`;
  return { id: JSON.stringify([servers, bucket]), title, servers, bucket };
}

async function open(place: NatsPlace, credsFile: string | undefined, report: Report): Promise<StateStore> {
  const { servers, bucket, title, id } = place;
  const options = { servers, ...(credsFile !== undefined && { credsFile }) };
  const nats = await NatsConnection.open({ id, title, options }, bucket, (text) => report("warn", text));
  return new StateStore(nats.connection.state(bucket), {
    name: title,
    away: () => nats.away(),
    close: () => nats.connection.drain(),
  });
}
