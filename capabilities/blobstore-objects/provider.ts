import { fail } from "../../lattice/index.ts";
import { blobstoreProvider } from "../blobstore/provider.ts";
import type { BlobStore } from "../blobstore/store.ts";
import { Leases } from "../leases.ts";
import { NatsConnection } from "../nats/connection.ts";
import { type NatsServers, readNatsServers, serverProblems } from "../nats/servers.ts";
import type { Link, Provider, ProviderContext } from "../provider.ts";
import { ObjectBlobStore } from "./store.ts";

export interface NatsBlobstoreOptions {
  /** Servers of links that name none: `nats://[user:password@]host[:port]`, `tls://`, several with commas. */
  readonly url?: string;
  /** A credentials file of `nsc`, for `url`. */
  readonly credsFile?: string;
  /** Object store of links that name none; made when it is missing. Default `wasmlattice-blobstore`. */
  readonly bucket?: string;
  /** Largest object in bytes: each is held in memory while it comes and goes. Default 64 MiB. */
  readonly objectBytes?: number;
}

interface Opened {
  readonly nats: NatsConnection;
  readonly stores: Map<string, BlobStore>;
  close(): Promise<void>;
}

interface Linked {
  readonly servers: string;
  readonly store: BlobStore;
}

const title = "blob store in NATS";

/**
 * Objects in JetStream object stores. A link's `URI` or `URL` names its servers, with credentials as
 * messaging over NATS has them, its `bucket` the object store. Links with the same servers and
 * credentials share a connection.
 * @throws LatticeError OPTION_OUT_OF_RANGE
 */
export function natsBlobstore(options: NatsBlobstoreOptions = {}): Provider {
  const { url = "nats://127.0.0.1:4222", credsFile, bucket = "wasmlattice-blobstore" } = options;
  const { objectBytes = 64 * 1024 * 1024 } = options;
  if (!(objectBytes >= 1)) throw fail("OPTION_OUT_OF_RANGE", "objectBytes", objectBytes, "at least 1");
  const wrong = [...serverProblems(url.split(",")), ...bucketProblems(bucket)];
  if (wrong.length > 0)
    throw fail("OPTION_OUT_OF_RANGE", "url or bucket", "not usable", `corrected: ${wrong.join("; ")}`);
  const connections = new Leases<Opened>();
  const links = new Map<string, Linked>();
  const wanted = new Map<string, Link>();
  let context: ProviderContext | undefined;
  const provider = blobstoreProvider({ name: title, storeOf: ({ id }) => links.get(id)!.store });
  const [start, putLink, deleteLink, stop] = [
    provider.start!.bind(provider),
    provider.putLink!.bind(provider),
    provider.deleteLink!.bind(provider),
    provider.stop!.bind(provider),
  ];

  const open = async (servers: NatsServers): Promise<Opened> => {
    const nats = await NatsConnection.open(servers, title, (text) => context?.log("warn", text));
    return { nats, stores: new Map(), close: () => nats.close() };
  };
  const storeIn = ({ nats, stores }: Opened, name: string): BlobStore => {
    const held = stores.get(name);
    if (held) return held;
    const about = { name: `${title} ${name}, ${nats.title}`, objectBytes, check: () => nats.check() };
    const store = new ObjectBlobStore(nats.connection.blobs(name), about);
    stores.set(name, store);
    return store;
  };

  return Object.assign(provider, {
    start: (given: ProviderContext) => {
      context = given;
      return start(given);
    },
    putLink: async (link: Link) => {
      const problems: string[] = [];
      const servers = readNatsServers(link.values, {}, { url, credsFile }, problems);
      const name = link.values["bucket"] ?? bucket;
      problems.push(...bucketProblems(name));
      if (problems.length > 0) throw fail("LINK_VALUES_INVALID", `the ${title}`, problems.join("; "));
      wanted.set(link.id, link);
      const opened = await connections.take(servers.id, () => open(servers));
      if (wanted.get(link.id) !== link) return connections.release(servers.id);
      const before = links.get(link.id);
      links.set(link.id, { servers: servers.id, store: storeIn(opened, name) });
      await putLink(link);
      if (before) await connections.release(before.servers);
    },
    deleteLink: async (link: Link) => {
      wanted.delete(link.id);
      await deleteLink(link);
      const linked = links.get(link.id);
      if (links.delete(link.id)) await connections.release(linked!.servers);
    },
    health: async () => {
      for (const { nats } of await connections.all()) {
        const health = nats.health();
        if (!health.healthy) return health;
        if (nats.connection.describe().jetStream === false)
          return { healthy: false, message: `${nats.title} offers no JetStream` };
      }
      return { healthy: true };
    },
    stop: async () => {
      wanted.clear();
      links.clear();
      await stop();
      await connections.close();
    },
  });
}

function bucketProblems(bucket: string): string[] {
  return /^[-\w]{1,128}$/.test(bucket) ? [] : ["bucket is no name of letters, digits, - and _"];
}
