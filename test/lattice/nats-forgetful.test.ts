/** A server that forgot what it had acknowledged: after a loss of power, or brought back from a copy of its disk. */
import assert from "node:assert/strict";
import { startHost } from "../../index.ts";
import { KeyPair, type State } from "../../lattice/index.ts";
import { edgeActor } from "../support/edge.ts";
import { watchedConnection } from "../support/nats-connections.ts";
import { NatsServer, natsTest } from "../support/nats-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

const patienceMs = 60_000;

function unlessAway(error: { code?: string }): boolean {
  if (error.code !== "STATE_UNAVAILABLE") throw error;
  return false;
}

/** Follows a state by what is told alone. */
async function followed(state: State): Promise<Map<string, string>> {
  const known = new Map<string, string>();
  await state.watch(">", (change) => {
    if (change.kind === "put") known.set(change.key, Buffer.from(change.value).toString());
    else known.delete(change.key);
  });
  return known;
}

natsTest("a watch tells what stands then, also where a sequence was given out again", async () => {
  await using server = await NatsServer.start();
  await using wire = await TcpProxy.to(server.port);
  await using near = await watchedConnection({ servers: server.url });
  await using far = await watchedConnection({ servers: wire.url });
  const state = near.state("b");
  const put = async (key: string, value: string) => await state.put(key, Buffer.from(value));
  const known = await followed(far.state("b"));
  for (const key of ["kept", "changed", "deleted"]) await put(key, "1");
  await until(() => known.size === 3, patienceMs);
  await server.stop();
  server.keepStore();
  await server.run();
  await near.connected();
  const sequence = await put("changed", "2");
  await put("new", "1");
  await state.delete("deleted");
  await until(() => known.get("changed") === "2" && known.has("new") && !known.has("deleted"), patienceMs);
  wire.cut();
  await server.kill();
  server.bringBackStore();
  await server.run();
  await near.connected();
  assert.equal(await put("changed", "3"), sequence);
  wire.mend();
  await until(() => known.get("changed") === "3" && !known.has("new") && known.has("deleted"), patienceMs);
  assert.equal(known.get("kept"), "1");
});

natsTest("a write that was acknowledged and lost before anybody heard of it is told as not there", async () => {
  await using server = await NatsServer.start();
  await using connection = await watchedConnection({ servers: server.url });
  const state = connection.state("b");
  await state.put("old", Buffer.from("1"));
  await server.stop();
  server.keepStore();
  await server.run();
  await connection.connected();
  const told: string[] = [];
  await state.watch(">", ({ kind, key, anew }) => void told.push(`${kind} ${key}${anew ? " anew" : ""}`));
  const ask = async (subject: string) => {
    const { payload } = await connection.bus.request(`$JS.API.${subject}`, new Uint8Array(), { timeoutMs: patienceMs });
    return JSON.parse(Buffer.from(payload).toString()) as { readonly consumers: readonly string[] };
  };
  for (const consumer of (await ask("CONSUMER.NAMES.KV_b")).consumers) await ask(`CONSUMER.DELETE.KV_b.${consumer}`);
  await state.put("new", Buffer.from("1"));
  await state.delete("old");
  await server.kill();
  server.bringBackStore();
  await server.run();
  await until(() => told.length >= 3, patienceMs);
  assert.deepEqual(told.toSorted(), ["delete new anew", "put old", "put old anew"]);
});

natsTest("hosts know the links that stand then, whatever they knew", async () => {
  await using server = await NatsServer.start();
  const common = { clusterSeed: KeyPair.generate("cluster").seed, nats: server.url, logLevel: "silent" } as const;
  await using front = await startHost(common);
  await using back = await startHost(common);
  const actor = await front.startActor(edgeActor());
  const store = await front.startProvider("builtin:keyvalue-memory");
  const links = (host: typeof front) =>
    [...host.wanted.links.values()].map(({ spec }) => `${spec.linkName}=${spec.values["prefix"] ?? ""}`).toSorted();
  const both = async (...wanted: string[]) =>
    await until(() => [front, back].every((host) => links(host).join(" ") === wanted.join(" ")), patienceMs);
  const put = async (linkName: string, prefix: string) =>
    await front.link(actor, store, { linkName, values: { prefix } });
  await put("changed", "one");
  await put("deleted", "one");
  await both("changed=one", "deleted=one");
  await server.stop();
  server.keepStore();
  await server.run();
  await until(async () => await put("changed", "two").then(Boolean, unlessAway), patienceMs);
  await put("new", "one");
  await front.unlink(actor, "wasmcloud:keyvalue", "deleted");
  await both("changed=two", "new=one");
  await server.kill();
  server.bringBackStore();
  await server.run();
  await both("changed=one", "deleted=one");
});
