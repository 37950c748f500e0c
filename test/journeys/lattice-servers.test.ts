import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Host, type HostOptions, startHost } from "../../index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { example } from "../support/examples.ts";
import { send } from "../support/journey.ts";
import { freePort } from "../support/free-port.ts";
import { NatsServer, natsTest, startNatsCluster } from "../support/nats-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;

/** A cluster that chooses a leader has no shared state for a while. */
function unlessAway(error: { code?: string }): undefined {
  if (error.code !== "STATE_UNAVAILABLE") throw error;
}

/** HTTP and key-value on one host, the counting actor on the other. */
class Pair implements AsyncDisposable {
  readonly front: Host;
  readonly back: Host;
  #url = "";

  private constructor(front: Host, back: Host) {
    this.front = front;
    this.back = back;
  }

  static async start(front: HostOptions["nats"], back: HostOptions["nats"]): Promise<Pair> {
    const common = { clusterSeed: KeyPair.generate("cluster").seed, presenceMs: 2_000, logLevel: "silent" } as const;
    const pair = new Pair(await startHost({ ...common, nats: front! }), await startHost({ ...common, nats: back! }));
    await until(() => pair.#know(1), patienceMs);
    const path = example("kvcounter-rust");
    const counter = await pair.back.startActor(await pair.back.load(new Uint8Array(readFileSync(path)), path));
    const web = await pair.front.startProvider("builtin:httpserver");
    const store = await pair.front.startProvider("builtin:keyvalue-memory");
    await until(() => pair.front.member!.peers[0]?.actors.length === 1, patienceMs);
    const values = { address: "127.0.0.1:0" };
    const linked = await until(() => pair.front.link(counter.id, web, { values }).catch(unlessAway), patienceMs);
    pair.#url = linked.urls[0]!;
    await until(() => pair.front.link(counter.id, store).catch(unlessAway), patienceMs);
    return pair;
  }

  /** The count that a request brought, or undefined when it failed. */
  async count(): Promise<number | undefined> {
    const { status, text } = await send(this.#url);
    return status === 200 ? (JSON.parse(text) as { counter: number }).counter : undefined;
  }

  /** Waits for a request that goes well; the count never goes back. */
  async counts(atLeast: number): Promise<number> {
    const found = await until(() => this.count(), patienceMs);
    assert.ok(found > atLeast, `${found} after ${atLeast}`);
    return found;
  }

  /** Puts one on the host of the provider; the other hears of it through shared state. */
  async putLink(linkName: string): Promise<void> {
    const store = await this.front.startProvider("builtin:keyvalue-memory", { linkName });
    const [actor] = [...this.back.wanted.placements.values()];
    await until(() => this.front.link(actor!.spec.module.key, store, { linkName }).catch(unlessAway), patienceMs);
  }

  hears(linkName: string): boolean {
    return [...this.back.wanted.links.values()].some((link) => link.spec.linkName === linkName);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.front.stop(), this.back.stop()]);
  }

  #know(peers: number): boolean {
    return [this.front, this.back].every(({ member }) => member?.peers.length === peers);
  }
}

natsTest(
  "two hosts on a cluster of three servers serve and link while a server is gone and when it is back",
  async () => {
    const servers = await startNatsCluster(3);
    try {
      const joined = (first: number) => ({
        servers: [servers[first]!.url, servers[2]!.url],
        replicas: 3,
        stateTimeoutMs: 1_000,
      });
      await using pair = await Pair.start(joined(0), joined(1));
      let count = await pair.counts(0);
      await servers[0]!.kill();
      count = await pair.counts(count);
      await pair.putLink("meanwhile");
      await until(() => pair.hears("meanwhile"), patienceMs);
      await servers[0]!.run();
      await pair.counts(count);
    } finally {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    }
  },
);

natsTest(
  "a host behind a leaf node misses its hub while the edge link is down, and catches up when it returns",
  async () => {
    const leafPort = await freePort();
    await using wire = await TcpProxy.to(leafPort);
    const advertise = wire.url.slice("nats://".length);
    await using hub = await NatsServer.start({
      name: "hub",
      domain: "hub",
      config: `leafnodes { listen: "127.0.0.1:${leafPort}", advertise: "${advertise}" }`,
    });
    await using edge = await NatsServer.start({
      name: "edge",
      jetStream: false,
      config: `leafnodes { reconnect: 1, remotes: [{ url: "${wire.url}" }] }`,
    });
    await using pair = await Pair.start(hub.url, { servers: edge.url, domain: "hub", stateTimeoutMs: 2_000 });
    const before = await pair.counts(0);
    wire.cut();
    await until(async () => (await pair.count()) === undefined, patienceMs);
    await pair.putLink("meanwhile");
    assert.equal(pair.hears("meanwhile"), false);
    wire.mend();
    await until(() => pair.hears("meanwhile"), patienceMs);
    await pair.counts(before);
  },
);
