import { setTimeout as delay } from "node:timers/promises";
import { type LatticeConnection, type LatticeError, connectNats, fail } from "../../lattice/index.ts";
import { LinkedStores, type Report, type StorePlace } from "../keyvalue/linked-stores.ts";
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
  readonly servers: string;
  readonly bucket: string;
}

const connectMs = 3_000;
const stateTimeoutMs = 3_000;

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
function readPlace(servers: string, bucket: string, problems: string[]): NatsPlace {
  const all = servers.split(",").map((each) => each.trim());
  const usable = (each: string) => {
    const whole = each.includes("://") ? each : `nats://${each}`;
    const url = URL.canParse(whole) ? new URL(whole) : undefined;
    return url !== undefined && /^(nats|tls):$/.test(url.protocol) && url.hostname !== "" && decodable(url);
  };
  if (!all.every(usable)) problems.push("url is no list of nats:// or tls:// URLs");
  if (!/^[-\w]{1,128}$/.test(bucket)) problems.push("bucket is no name of letters, digits, - and _");
  const shown = all.map((each) => each.replace(/^[a-z]+:\/\//, "").replace(/^.*@/s, "")).join(", ");
  return { id: JSON.stringify([servers, bucket]), title: `NATS bucket ${bucket} at ${shown}`, servers, bucket };
}

function decodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

async function open(place: NatsPlace, credsFile: string | undefined, report: Report): Promise<StateStore> {
  const { servers, bucket, title } = place;
  let problem: LatticeError | undefined;
  const told = Promise.withResolvers<void>();
  const connection = await connectNats(
    { servers, name: `wasmlattice ${bucket}`, stateTimeoutMs, ...(credsFile !== undefined && { credsFile }) },
    {
      onProblem: (error) => {
        problem = error;
        report("warn", `${title}: ${error.message}`);
        told.resolve();
      },
      onHandlerError: () => undefined,
    },
  );
  await firstAttempt(connection, told.promise);
  return new StateStore(connection.state(bucket), {
    name: title,
    away: () => (connection.bus.status === "connected" ? undefined : (problem?.message ?? "no server is reached")),
    close: () => connection.drain(),
  });
}

/** A server that is there is waited for, so that the first call finds it. */
async function firstAttempt({ bus }: LatticeConnection, problem: Promise<void>): Promise<void> {
  if (bus.status === "connected") return;
  const connected = Promise.withResolvers<void>();
  const forget = bus.onStatus((status) => {
    if (status === "connected") connected.resolve();
  });
  const timer = new AbortController();
  await Promise.race([
    connected.promise,
    problem,
    delay(connectMs, undefined, { signal: timer.signal }).catch(() => {}),
  ]);
  timer.abort();
  forget();
}
