import assert from "node:assert/strict";
import { test } from "node:test";
import type { Link, Provider, ProviderContext } from "../../capabilities/index.ts";
import { startHost } from "../../host/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { until } from "../support/until.ts";

const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const never = new Promise<never>(() => {});

/** A store that answers its own name; what a test gives replaces that. */
function store(parts: Partial<Provider> = {}): Provider {
  return { contractId: "wasmcloud:keyvalue", name: "store", handle: () => bytes("stored"), ...parts };
}

const get = askHost("wasmcloud:keyvalue");

test("a provider that fails half-way through its start is stopped, and says under its name why", async () => {
  await using host = await startHost();
  let signal: AbortSignal | undefined;
  let stopped = 0;
  const provider = store({
    start: (context) => {
      signal = context.signal;
      throw new Error("no disk");
    },
    stop: async () => void stopped++,
  });
  await assert.rejects(host.startProvider(provider), {
    code: "PROVIDER_FAILED",
    message: "store failed start: no disk",
  });
  assert.deepEqual([signal?.aborted, stopped, host.wanted.providers.size, host.fleet.objects.size], [true, 1, 0, 0]);
});

test("a provider that never gets started ends the wait, not the host", async () => {
  await using host = await startHost({ limits: { callTimeoutMs: 30 } });
  await assert.rejects(host.startProvider(store({ start: () => never })), {
    code: "DEADLINE_EXCEEDED",
    message: /start of store/,
  });
  assert.equal(host.wanted.providers.size, 0);
});

test("a provider that fails to close what it opened is stopped all the same", async () => {
  await using host = await startHost({ limits: { drainMs: 30 } });
  const actor = await host.startActor(edgeActor());
  let stopped = 0;
  for (const broken of [
    { deleteLink: () => assert.fail("no way") },
    { deleteLink: () => never },
    { drain: () => Promise.reject(new Error("no way")) },
    { drain: () => never },
    { stop: () => Promise.reject(new Error("no way")) },
    { stop: () => never },
  ]) {
    const provider = store({ stop: async () => void stopped++, ...broken });
    const handle = await host.startProvider(provider);
    await host.link(actor, handle);
    await host.stopProvider(handle);
    assert.deepEqual([host.wanted.providers.size, host.wanted.links.size], [0, 0]);
    assert.match(text(await host.call(actor, "Call", get)), /missing link definition/);
  }
  assert.equal(stopped, 4);
});

test("a provider that cannot be closed does not keep a link from being taken back, nor the host from stopping", async () => {
  const host = await startHost({ limits: { drainMs: 30 } });
  const actor = await host.startActor(edgeActor());
  const broken = { deleteLink: () => assert.fail("no way"), stop: () => never };
  await host.link(actor, await host.startProvider(store(broken)));
  await host.unlink(actor, "wasmcloud:keyvalue");
  assert.equal(host.wanted.links.size, 0);
  let stopped = false;
  await host.startProvider(store({ name: "other", stop: async () => void (stopped = true) }), { linkName: "other" });
  await host.stop();
  assert.ok(stopped);
});

test("a provider is stopped when the calls that it holds are answered", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  let answer: (reply: Uint8Array) => void = () => {};
  const order: string[] = [];
  const provider = store({
    handle: () => new Promise((resolve) => (answer = resolve)),
    deleteLink: () => void order.push("closed"),
    stop: async () => void order.push("stopped"),
  });
  const handle = await host.startProvider(provider);
  await host.link(actor, handle);
  const inFlight = host.call(actor, "Call", get);
  await until(() => answer.length > 0);
  const stopping = host.stopProvider(handle);
  const rows = host.fleet.caller.tables.providers;
  await until(() => [...rows.values()].every(({ draining }) => draining));
  assert.match(text(await host.call(actor, "Call", get)), /store is draining/);
  order.push("answered");
  answer(bytes("in time"));
  assert.equal(text(await inFlight), "in time");
  await stopping;
  assert.deepEqual(order, ["answered", "closed", "stopped"]);
});

test("a provider calls actors by the links that were put to it, and by no other", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const contexts: ProviderContext[] = [];
  const links: Link[] = [];
  const provider = (name: string) =>
    store({
      name,
      start: (context) => void contexts.push(context),
      putLink: (link) => void links.push(link),
    });
  const [first, second] = [await host.startProvider(provider("first")), await host.startProvider(provider("second"))];
  await host.link(actor, first);
  const echo = async (index: number) => text(await contexts[index]!.invoke(links[0]!, "Echo", bytes("hello")));
  assert.equal(await echo(0), "hello");
  await assert.rejects(echo(1), { code: "LINK_ABSENT" });
  await host.link(actor, second);
  assert.equal(await echo(1), "hello");
  await assert.rejects(echo(0), { code: "LINK_ABSENT" });
});

test("a provider may call the actor of a link while it opens it, also when it takes the link over", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const heard: string[] = [];
  for (const name of ["first", "second"]) {
    let context: ProviderContext | undefined;
    const provider = store({
      name,
      start: (given) => void (context = given),
      putLink: async (link) => void heard.push(text(await context!.invoke(link, "Echo", bytes(name)))),
    });
    await host.link(actor, await host.startProvider(provider));
  }
  assert.deepEqual(heard, ["first", "second"]);
});

test("a link that moved to another provider stays when the old one stops", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  let drained: () => void = () => {};
  const old = await host.startProvider(
    store({ name: "old", drain: () => new Promise((resolve) => (drained = () => resolve())) }),
  );
  await host.link(actor, old);
  const next = await host.startProvider(store({ name: "next", handle: () => bytes("next") }));
  const stopping = host.stopProvider(old);
  await host.link(actor, next);
  drained();
  await stopping;
  assert.equal(text(await host.call(actor, "Call", get)), "next");
});

test("one object is one provider, and an address already given leaves nothing behind", async () => {
  await using host = await startHost();
  const provider = store();
  await host.startProvider(provider);
  await assert.rejects(host.startProvider(provider, { linkName: "again" }), { code: "PROVIDER_CONFLICT" });
  await host.startProvider(store({ key: "VONE" }));
  await assert.rejects(host.startProvider(store({ key: "VONE" })), { code: "PROVIDER_CONFLICT" });
  assert.equal(host.fleet.objects.size, 2);
});

test("an actor that reaches a provider in another engine is counted once", async () => {
  await using host = await startHost({ engines: 1 });
  const actor = await host.startActor(edgeActor());
  const link = await host.link(actor, await host.startProvider(store()));
  for (let i = 0; i < 3; i++) assert.equal(text(await host.call(actor, "Call", get)), "stored");
  const counts = (await host.fleet.stats()).flatMap(({ links }) => links.filter(({ id }) => id === link.spec.id));
  assert.equal(
    counts.reduce((sum, { calls }) => sum + calls, 0),
    3,
  );
});

test("the deadline of a link bounds calls in both directions, also across engines", async () => {
  await using host = await startHost({ engines: 1 });
  const actor = await host.startActor(edgeActor());
  let context: ProviderContext | undefined;
  let held: Link | undefined;
  const provider = store({
    handle: () => never,
    start: (given) => void (context = given),
    putLink: (link) => void (held = link),
  });
  await host.link(actor, await host.startProvider(provider), { values: { deadline: "60ms" } });
  assert.match(text(await host.call(actor, "Call", get)), /Get of store did not answer in \d+ ms/);
  const since = performance.now();
  await assert.rejects(context!.invoke(held!, "Spin", bytes("")), { code: "DEADLINE_EXCEEDED" });
  assert.ok(performance.now() - since < 9_000, "not by the limit of a call");
});

test("a guest whose provider never answers ends at its own deadline, and the late answer is dropped", async () => {
  for (const engines of [0, 1]) {
    await using host = await startHost({ engines });
    const actor = await host.startActor(edgeActor());
    let answer: (reply: Uint8Array) => void = () => {};
    const provider = store({ handle: () => new Promise((resolve) => (answer = resolve)) });
    await host.link(actor, await host.startProvider(provider));
    await assert.rejects(host.call(actor, "Call", get, { timeoutMs: 50 }), { code: "DEADLINE_EXCEEDED" });
    answer(bytes("late"));
    assert.equal(text(await host.call(actor, "Echo", bytes("next"))), "next");
  }
});
