import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ActorModule } from "../../actors/index.ts";
import { example } from "../support/examples.ts";
import { JoinedHosts, type JoinOptions } from "../support/joined-hosts.ts";
import { send } from "../support/journey.ts";
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
