import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Host, startHost } from "../../host/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { ControlLattice } from "../support/control-client.ts";
import { edgeActor } from "../support/edge.ts";
import { JoinedHosts } from "../support/joined-hosts.ts";
import { codeOf } from "../support/journey.ts";
import { NatsServer, natsSkip } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const echo = (host: Host, target: string) => host.call(target, "Echo", bytes("hello")).then(text);

/** Calls without a pause until it is ended; gives the codes of those that failed. */
function caller(host: Host, target: string) {
  const errors: (string | undefined)[] = [];
  let calls = 0;
  let ended = false;
  const loop = (async () => {
    while (!ended) {
      const code = await codeOf(echo(host, target));
      if (code !== undefined) errors.push(code);
      calls++;
    }
  })();
  return {
    errors,
    get calls() {
      return calls;
    },
    async end() {
      ended = true;
      await loop;
      return errors;
    },
  };
}

describe("losses in a lattice over NATS", { skip: natsSkip() }, () => {
  test("a host that stops in order takes no call of others with it", async () => {
    await using server = await NatsServer.start();
    await using world = new JoinedHosts();
    const nats = { servers: server.url };
    const [here, leaving, staying] = [
      await world.join({ nats }),
      await world.join({ nats, engines: 1 }),
      await world.join({ nats }),
    ];
    const module = edgeActor({ name: "target" });
    await leaving.startActor(module);
    await staying.startActor(module);
    await world.meet();
    const load = caller(here, module.claims.key);
    await until(() => load.calls > 50);
    // Its presence says that it drains before it does.
    await here.fleet.apply({ type: "put-peer", peer: { ...(await world.presence(leaving)), draining: true } });
    await leaving.stop();
    await world.part(leaving);
    const soFar = load.calls;
    await until(() => load.calls > soFar + 50);
    assert.deepEqual(await load.end(), []);
  });

  test("hosts that come and leave in order by themselves, time and again, take no call of others with them", async () => {
    await using server = await NatsServer.start();
    const limits = { rpcTimeoutMs: 20_000, callTimeoutMs: 60_000 };
    const options = { nats: server.url, clusterSeed: KeyPair.generate("cluster").seed, limits };
    await using here = await startHost(options);
    await using staying = await startHost(options);
    const module = edgeActor({ name: "target" });
    const { id } = await staying.startActor(module);
    const hosts = () => here.fleet.caller.tables.peers.actorsOf(id).length;
    await until(() => hosts() === 1);
    const loads = Array.from({ length: 16 }, () => caller(here, id));
    try {
      for (let turn = 0; turn < 3; turn++) {
        await using leaving = await startHost({ ...options, engines: turn % 2 });
        await leaving.startActor(module);
        await until(() => hosts() === 2);
        const served = async () => (await leaving.fleet.stats()).some(({ remote }) => remote?.served.session ?? 0);
        await until(served);
        await leaving.stop();
        await until(() => hosts() === 1);
      }
    } finally {
      for (const load of loads) await load.end();
    }
    assert.deepEqual(new Set(loads.flatMap(({ errors }) => errors)), new Set());
  });

  test("an engine that is lost comes back to the lattice, and its host is reached meanwhile", async () => {
    await using server = await NatsServer.start();
    await using world = new JoinedHosts();
    const nats = { servers: server.url };
    const middleware = [fileURLToPath(new URL("../support/unruly-middleware.ts", import.meta.url))];
    const [here, there] = [await world.join({ nats }), await world.join({ nats, engines: 2, middleware })];
    const target = await there.startActor(edgeActor({ name: "target" }));
    await world.meet();
    assert.equal(await echo(here, target.id), "hello");
    // The engine that is asked ends in the middle of the call: nobody answers any more.
    const code = await codeOf(here.call(target.id, "test.Exit", new Uint8Array(), { timeoutMs: 2_000 }));
    assert.ok(code === "DEADLINE_EXCEEDED" || code === "ENGINE_LOST", String(code));
    for (let turn = 0; turn < 4; turn++) assert.equal(await echo(here, target.id), "hello");
    await until(() => [...there.fleet.restarts.values()].some((count) => count > 0));
    const served = async () =>
      (await there.fleet.stats()).filter(({ place, remote }) => place >= 0 && (remote?.served.session ?? 0) > 0).length;
    await until(async () => (await echo(here, target.id)) === "hello" && (await served()) === 2);
  });

  test("calls that wait for an engine that is lost end when its host says so, not when their time is over", async () => {
    await using lattice = await ControlLattice.start();
    const middleware = [fileURLToPath(new URL("../support/unruly-middleware.ts", import.meta.url))];
    const here = await lattice.host({ limits: { rpcTimeoutMs: 120_000 } });
    const there = await lattice.host({ engines: 1, middleware, presenceMs: 60_000, logLevel: "silent" });
    const target = await there.startActor(edgeActor({ name: "target" }));
    await until(() => here.member!.peers[0]?.actors.length === 1);
    const call = here.call(target.id, "test.Exit", new Uint8Array(), { timeoutMs: 120_000 });
    await assert.rejects(call, { code: "ENGINE_LOST", message: new RegExp(`0 of host ${there.name}`) });
    await until(() => echo(here, target.id).catch(() => ""));
  });

  test("while the server is away calls to other hosts end by code, local ones go on, and all comes back", async () => {
    await using server = await NatsServer.start();
    await using world = new JoinedHosts({ rpcTimeoutMs: 300 });
    const nats = { servers: server.url };
    const [here, there] = [await world.join({ nats }), await world.join({ nats })];
    const local = await here.startActor(edgeActor({ name: "local" }));
    const target = await there.startActor(edgeActor({ name: "target" }));
    await world.meet();
    await until(() => echo(here, target.id).catch(() => ""));
    await server.stop();
    const code = await codeOf(echo(here, target.id));
    assert.ok(code === "RPC_TIMEOUT" || code === "BUS_CLOSED", String(code));
    assert.equal(await echo(here, local.id), "hello");
    await server.restart();
    await until(() => echo(here, target.id).catch(() => ""));
  });
});

test("a host in no lattice says that an actor does not run here", async () => {
  await using host = await startHost();
  assert.equal(await codeOf(echo(host, "nobody")), "ACTOR_ABSENT");
});
