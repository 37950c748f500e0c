import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ActorModule } from "../../actors/index.ts";
import { type Host, startHost } from "../../host/index.ts";
import { KeyPair } from "../../lattice/index.ts";
import { example } from "../support/examples.ts";
import { JoinedHosts, type JoinOptions } from "../support/joined-hosts.ts";
import { httpCode, send } from "../support/journey.ts";
import { NatsServer, natsSkip } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const flavours: readonly (JoinOptions & { readonly engines: number })[] = [
  { engines: 0, rpc: "session" },
  { engines: 0, rpc: "wasmcloud" },
  { engines: 1, rpc: "both" },
];

for (const servers of ["in process", "NATS"] as const) {
  const skip = servers === "NATS" ? natsSkip() : false;
  for (const flavour of flavours) {
    describe(`two hosts over ${servers}, ${flavour.engines} engines, calls as ${flavour.rpc}`, { skip }, () => {
      test("HTTP on one host, the actor on the other, its key-value on the first", async () => {
        await using server = servers === "NATS" ? await NatsServer.start() : undefined;
        await using world = new JoinedHosts();
        const options = server ? { ...flavour, nats: { servers: server.url } } : flavour;
        const [here, there] = [await world.join(options), await world.join(options)];
        const web = await here.startProvider("wasmcloud:httpserver");
        await here.startProvider("wasmcloud:keyvalue");
        const counter = await there.startActor(await ActorModule.fromFile(example("kvcounter-rust")));
        await world.meet();
        await there.link(counter, "wasmcloud:keyvalue");
        const { urls } = await here.link(counter.id, web, { values: { address: "127.0.0.1:0" } });
        await until(() => here.wanted.links.size === 2 && there.wanted.links.size === 2);
        for (const count of [1, 2, 3]) {
          const answer = await send(`${urls[0]}/visits`);
          assert.equal(answer.status, 200, answer.text);
          assert.deepEqual(JSON.parse(answer.text), { counter: count, path: "/visits" });
        }
      });
    });
  }
}

describe("hosts that find each other by themselves", { skip: natsSkip() }, () => {
  test("HTTP on one host, the actor on the other, its key-value on the first; the host that is lost is missed by code", async () => {
    await using server = await NatsServer.start();
    const options = { nats: server.url, clusterSeed: KeyPair.generate("cluster").seed, presenceMs: 200 };
    await using here = await startHost({ ...options, engines: 1 });
    const there = await startHost({ ...options, engines: 1 });
    try {
      const web = await here.startProvider("wasmcloud:httpserver");
      await here.startProvider("wasmcloud:keyvalue");
      const counter = await there.startActor(await ActorModule.fromFile(example("kvcounter-rust")));
      const knows = (host: Host, key: string) => host.fleet.caller.tables.peers.findActor(key);
      await until(() => knows(here, counter.id));
      await until(() => there.fleet.caller.tables.peers.findProvider("wasmcloud:keyvalue", "default"));
      await there.link(counter, "wasmcloud:keyvalue");
      const { urls } = await here.link(counter.name, web, { values: { address: "127.0.0.1:0" } });
      for (const count of [1, 2, 3]) {
        const answer = await until(async () => {
          const each = await send(`${urls[0]}/visits`);
          return each.status === 200 && each;
        });
        assert.deepEqual(JSON.parse(answer.text), { counter: count, path: "/visits" });
      }
      await there.stop();
      await until(() => !knows(here, counter.id));
      const missing = await send(`${urls[0]}/visits`);
      assert.equal(missing.status, 404, missing.text);
      assert.equal(httpCode(missing), "ACTOR_ABSENT");
    } finally {
      await there.stop();
    }
  });
});
