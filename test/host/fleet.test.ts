import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Host, startHost } from "../../host/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { codeOf } from "../support/journey.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/until.ts";

const unruly = fileURLToPath(new URL("../support/unruly-middleware.ts", import.meta.url));
const nothing = new Uint8Array();
const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const web = "wasmcloud:httpserver";

/** Time for an engine to come back on a busy machine. */
const patient = { callTimeoutMs: 60_000, engineSilenceMs: 10_000 };
const hostOf = (engines: number) => startHost({ engines, middleware: [unruly], logLevel: "silent", limits: patient });
/** Ends the engine that takes the call. */
const endOne = async (host: Host, actor: string) =>
  assert.equal(await codeOf(host.call(actor, "test.Exit", nothing)), "ENGINE_LOST");
const answering = async (host: Host) =>
  (await host.fleet.stats()).map(({ place }) => place).filter((place) => place >= 0);

test("an engine on its way misses nothing that is changed meanwhile", async () => {
  await using host = await hostOf(2);
  await host.startActor(edgeActor({ name: "victim" }));
  const echo = edgeActor({ name: "echo" });
  const gone = await host.startActor(edgeActor({ name: "gone" }));
  await endOne(host, "victim");
  await host.stopActor(gone);
  let rounds = 0;
  for (; rounds < 1_000 && (await answering(host)).length < 2; rounds++) {
    const started = await host.startActor(echo, { annotations: { round: String(rounds) } });
    await host.scale(started, 3);
    await nextTurn(4);
    if (rounds % 2 === 1) await host.stopActor(started);
  }
  assert.ok(rounds > 0, "something changed meanwhile");
  const wanted = new Set(host.wanted.placements.keys());
  for (const { place, placements } of await host.fleet.stats())
    if (place >= 0) assert.deepEqual(new Set(placements.map(({ id }) => id)), wanted);
});

test("what is put while the only engine is on its way waits for it, and is checked as ever", async () => {
  await using host = await hostOf(1);
  const victim = await host.startActor(edgeActor({ name: "victim", capabilities: [web] }));
  const provider = await host.startProvider(web);
  await endOne(host, victim.id);
  const wrong = host.link(victim, provider, { values: { address: "nowhere" } });
  await assert.rejects(wrong, { kind: "invalid" });
  await endOne(host, victim.id);
  const [{ urls }, other] = await Promise.all([
    host.link(victim, provider, { values: { port: "0" } }),
    host.startActor(edgeActor({ name: "other" })),
  ]);
  assert.match(urls[0]!, /^http:\/\/.*:[1-9]\d*$/);
  assert.equal(text(await host.call(other, "Echo", bytes("here"))), "here");
});

test("an engine comes back without what cannot be restored, and says so", async () => {
  const port = await freePort();
  await using host = await hostOf(1);
  const victim = await host.startActor(edgeActor({ name: "victim", capabilities: [web] }));
  await host.link(victim, await host.startProvider(web), { values: { address: `127.0.0.1:${port}` } });
  // Somebody else takes the address as soon as the engine is gone.
  const thief = createServer();
  const lost = host.events.subscribe(({ type }) => {
    if (type === "engine_lost") thief.listen(port, "127.0.0.1");
  });
  try {
    await endOne(host, victim.id);
    assert.equal(await until(() => host.call(victim, "Echo", bytes("back")).then(text, () => "")), "back");
    assert.equal(host.fleet.restarts.get(0), 1);
  } finally {
    lost();
    await new Promise((resolve) => thief.close(resolve));
  }
});

test("an engine that is lost in the middle of a change does not fail what needs no answer of it", async () => {
  await using host = await hostOf(2);
  const actor = await host.startActor(edgeActor());
  const changes = [() => host.scale(actor, 5), () => host.stopActor(actor)];
  for (const change of changes) {
    await until(async () => (await answering(host)).length === 2);
    const [lost, changed] = await Promise.all([codeOf(host.call(actor, "test.Exit", nothing)), codeOf(change())]);
    // Whichever reaches the engine first, by ports of their own; the change stands in any case.
    assert.ok(["ENGINE_LOST", "DRAINING", "ACTOR_ABSENT"].includes(String(lost)), String(lost));
    assert.equal(changed, undefined);
  }
});

test("an engine that replaces one of a draining host takes no requests either", async () => {
  await using host = await startHost({
    engines: 2,
    middleware: [unruly],
    logLevel: "silent",
    limits: { engineSilenceMs: 1_000 },
  });
  const actor = await host.startActor(edgeActor({ capabilities: [web] }));
  const { urls } = await host.link(actor, await host.startProvider(web), { values: { port: "0" } });
  const silent = codeOf(host.call(actor, "test.Spin", nothing));
  await host.drain(50);
  assert.equal(await silent, "ENGINE_LOST");
  await until(async () => (await answering(host)).length === 2);
  assert.equal(host.state, "draining");
  await assert.rejects(fetch(urls[0]!));
});

test("a link that one engine cannot open is taken back in all", async () => {
  await using host = await hostOf(2);
  const actor = await host.startActor(edgeActor({ capabilities: ["wasmcloud:keyvalue"] }));
  const first = await host.startProvider({
    contractId: "wasmcloud:keyvalue",
    name: "first",
    handle: () => bytes("first"),
  });
  const second = await host.startProvider({
    contractId: "wasmcloud:keyvalue",
    name: "second",
    putLink: () => assert.fail("no room"),
    handle: () => bytes("second"),
  });
  await host.link(actor, first);
  await assert.rejects(host.link(actor, second), { code: "PROVIDER_FAILED" });
  const get = askHost("wasmcloud:keyvalue");
  const answers = await Promise.all(Array.from({ length: 8 }, () => host.call(actor, "Call", get).then(text)));
  assert.deepEqual(new Set(answers), new Set(["first"]));
});
