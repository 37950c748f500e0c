import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { startHost } from "../../index.ts";
import { ControlLattice } from "../support/control-client.ts";
import { example } from "../support/examples.ts";
import { send } from "../support/journey.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

natsTest("HTTP on one host reaches an actor on another, whose key-value is on the first", async () => {
  await using lattice = await ControlLattice.start();
  const [front, back] = [await lattice.host({ engines: 1 }), await lattice.host({ engines: 1 })];
  const web = await front.startProvider("builtin:httpserver");
  const store = await front.startProvider("builtin:keyvalue-memory");
  const path = example("kvcounter-rust");
  const counter = await back.startActor(await back.load(new Uint8Array(readFileSync(path)), path));
  await until(() => front.member!.peers[0]?.actors.length === 1);
  const { urls } = await front.link(counter.id, web, { values: { address: "127.0.0.1:0" } });
  await back.link(counter.id, store.id);
  await until(async () => (await send(urls[0]!)).status === 200);
  const { counter: before } = JSON.parse((await send(urls[0]!)).text) as { counter: number };
  const { counter: after } = JSON.parse((await send(urls[0]!)).text) as { counter: number };
  assert.equal(after, before + 1);

  // The actor comes to the first host too: then nothing leaves it, and the other host is not missed.
  await front.startActor(await front.load(new Uint8Array(readFileSync(path)), path));
  await back.stop();
  assert.equal((JSON.parse((await send(urls[0]!)).text) as { counter: number }).counter, after + 1);
});

natsTest("a server without JetStream is said, shared state is refused, calls and control go on", async () => {
  await using server = await NatsServer.start({ jetStream: false });
  await using host = await startHost({ nats: server.url, logLevel: "silent" });
  await until(() => host.member!.report.jet_stream === false);
  const checks = host.member!.checks.filter(({ ok }) => !ok);
  assert.deepEqual(
    checks.map(({ name }) => name),
    ["shared_state"],
  );
  const path = example("kvcounter-rust");
  const counter = await host.startActor(await host.load(new Uint8Array(readFileSync(path)), path));
  const store = await host.startProvider("builtin:keyvalue-memory");
  await assert.rejects(host.link(counter, store), { code: "STATE_UNAVAILABLE" });
  assert.equal(host.wanted.links.size, 0, "never silently local");
});
