import type { PeerHost } from "../../host/remote/peers.ts";
import { type Host, type HostOptions, startHost } from "../../host/index.ts";
import {
  connectNats,
  KeyPair,
  type LatticeConnection,
  memoryConnection,
  MemoryServer,
  metadataBucket,
  type NatsOptions,
  type RpcPolicy,
  SessionIdentity,
} from "../../lattice/index.ts";

export interface WorldOptions {
  readonly lattice?: string;
  readonly rpcTimeoutMs?: number;
  readonly cluster?: KeyPair;
}

export interface JoinOptions extends Omit<HostOptions, "nats" | "connection" | "rpc"> {
  readonly rpc?: RpcPolicy;
  readonly cluster?: KeyPair;
  /** Default a new one. */
  readonly key?: KeyPair;
  /** Instead of the world's own server. */
  readonly nats?: NatsOptions;
  readonly connection?: LatticeConnection;
}

/**
 * Hosts of one lattice in this process, without presence messages: `meet` tells each what the others
 * run, as often as a test likes.
 */
export class JoinedHosts implements AsyncDisposable {
  readonly server = new MemoryServer();
  readonly hosts: Host[] = [];
  /** Gone for the others; they run on. */
  readonly #parted: Host[] = [];
  readonly #options: Required<WorldOptions>;
  readonly #identities = new Map<Host, SessionIdentity>();
  readonly #rpc = new Map<Host, RpcPolicy>();
  /** Those whose engines have connections of their own. */
  readonly #connected = new Set<Host>();
  readonly #opened: LatticeConnection[] = [];

  constructor({ lattice = "shop", rpcTimeoutMs = 20_000, cluster = KeyPair.generate("cluster") }: WorldOptions = {}) {
    this.#options = { lattice, rpcTimeoutMs, cluster };
  }

  get cluster(): KeyPair {
    return this.#options.cluster;
  }

  connect(): LatticeConnection {
    return memoryConnection(this.server);
  }

  async join({
    rpc = "both",
    cluster = this.cluster,
    key = KeyPair.generate("server"),
    nats,
    connection,
    ...options
  }: JoinOptions = {}): Promise<Host> {
    const { lattice, rpcTimeoutMs } = this.#options;
    const host = await startHost({ ...options, lattice, hostSeed: key.seed });
    const identity = SessionIdentity.create({ lattice, host: key, cluster, rpc });
    const shared = connection ?? (nats ? undefined : this.connect());
    const remote = {
      identity: identity.secrets(),
      nats,
      clusterIssuers: [cluster.publicKey],
      rpcTimeoutMs,
      largePayloads: true,
    };
    this.#identities.set(host, identity);
    this.#rpc.set(host, rpc);
    this.hosts.push(host);
    if (nats) this.#connected.add(host);
    await host.fleet.join(remote, shared);
    const metadata = shared ?? (await connectNats(nats!));
    if (!shared) this.#opened.push(metadata);
    await host.links.join({
      state: metadata.state(metadataBucket(lattice)),
      putAt: (at, { actor, provider, linkName, values }) =>
        this.hosts.find(({ id }) => id === at)!.link(actor, provider, { linkName, values }),
    });
    return host;
  }

  /** Each host hears of all others. */
  async meet(change: (peer: PeerHost) => PeerHost = (peer) => peer): Promise<void> {
    const present = await Promise.all(this.hosts.map(async (host) => change(await this.presence(host))));
    for (const host of this.hosts) {
      for (const peer of present) if (peer.host !== host.id) await host.fleet.apply({ type: "put-peer", peer });
    }
  }

  /** One host is gone, as all others hear. */
  async part(gone: Host): Promise<void> {
    this.hosts.splice(this.hosts.indexOf(gone), 1);
    this.#parted.push(gone);
    for (const host of this.hosts) await host.fleet.apply({ type: "drop-peer", host: gone.id });
  }

  async presence(host: Host): Promise<PeerHost> {
    const engines = host.fleet.placesUp.filter((place) => place >= 0).map(String);
    // With a shared connection only the caller's thread listens.
    const places = this.#connected.has(host) ? ["c", ...engines] : ["c"];
    const rows = [...host.wanted.placements.values()];
    return {
      host: host.id,
      name: host.name,
      version: "0",
      labels: {},
      hello: this.#identities.get(host)!.hello(),
      places,
      rpc: this.#rpc.get(host) ?? "both",
      draining: host.state !== "running",
      actors: rows.map(({ spec: { id, module, limits, since } }) => ({
        key: module.key,
        ...(module.claims.callAlias ? { alias: module.claims.callAlias } : {}),
        name: module.claims.name,
        issuer: module.claims.issuer,
        era: module.era,
        language: module.language,
        capabilities: module.claims.capabilities,
        tags: module.claims.tags,
        since,
        placements: [id],
        room: limits.instances + limits.queue,
        queue: 0,
      })),
      providers: [...host.wanted.providers.values()].map(({ spec: { key, linkName, contractId, name } }) => ({
        key,
        linkName,
        contractId,
        name,
      })),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.hosts, ...this.#parted].map((host) => host.stop()));
    await Promise.all(this.#opened.map((each) => each.close()));
  }
}
