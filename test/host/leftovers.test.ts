import assert from "node:assert/strict";
import { test } from "node:test";
import { type Host, type HostOptions, startHost } from "../../host/index.ts";
import { KeyPair, type LatticeConnection, memoryConnection, MemoryServer, payloadStore } from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { Gate } from "../support/journey.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;
const large = new Uint8Array(1_000_000);

/** Hosts of one lattice, each with a connection that the test can cut. */
class World implements AsyncDisposable {
  readonly #server = new MemoryServer();
  readonly #clusterSeed = KeyPair.generate("cluster").seed;
  readonly #hosts: Host[] = [];
  readonly payloads = memoryConnection(this.#server).blobs(payloadStore("default"));

  async join(options: HostOptions): Promise<{ host: Host; connection: LatticeConnection }> {
    const connection = memoryConnection(this.#server);
    const host = await startHost({
      connection,
      clusterSeed: this.#clusterSeed,
      presenceMs: 100,
      logLevel: "silent",
      ...options,
    });
    this.#hosts.push(host);
    return { host, connection };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()));
  }
}

for (const rpc of ["session", "wasmcloud"] as const) {
  test(`a large answer whose receiver was killed stays until a host sweeps it, calls as ${rpc}`, async () => {
    await using world = new World();
    const { host: here, connection } = await world.join({ rpc });
    const { host: there } = await world.join({ rpc });
    const gate = new Gate(large);
    const asker = await here.startActor(edgeActor({ name: "asker" }));
    const store = await there.startProvider(gate);
    await until(() => here.member?.peers.some(({ providers }) => providers.length === 1), patienceMs);
    await there.link(asker.id, store);
    await until(() => here.wanted.links.size === 1, patienceMs);
    const waiting = here.call(asker, "Call", askHost("wasmcloud:keyvalue")).catch(() => undefined);
    await until(() => gate.held === 1, patienceMs);
    await connection.close();
    await waiting;
    gate.open();
    await until(async () => (await world.payloads.list()).length === 1, patienceMs);
    await world.payloads.put("no-payload", large);
    await world.join({ payloadAgeMs: 50 });
    await until(async () => (await world.payloads.list()).length === 1, patienceMs);
    assert.equal((await world.payloads.list())[0]?.name, "no-payload");
  });
}
