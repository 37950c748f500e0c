import assert from "node:assert/strict";
import { test } from "node:test";
import type { Provider } from "../../capabilities/index.ts";
import { type Host, startHost } from "../../host/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { codeOf, Gate } from "../support/journey.ts";
import { until } from "../support/until.ts";

const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const get = askHost("wasmcloud:keyvalue");
const echo = (host: Host, target: string) => host.call(target, "Echo", bytes("hello")).then(text);

for (const engines of [0, 2]) {
  const where = engines === 0 ? "in the caller's thread" : `in ${engines} engines`;

  test(`a call in flight when its actor stops still reaches providers, services and itself (${where})`, async () => {
    await using host = await startHost({ engines });
    const actor = await host.startActor(edgeActor({ capabilities: ["wasmcloud:keyvalue"], callAlias: "me" }));
    const gate = new Gate();
    await host.link(actor, await host.startProvider(gate));
    // Each of them asks the gate, and what comes next only afterwards.
    const chain = askHost("me", "Call", text(askHost("wasmcloud:keyvalue")));
    const inFlight = Array.from({ length: 8 }, () => host.call(actor, "Call", chain).then(text));
    await until(() => gate.held === 8);
    const stopping = host.stopActor(actor);
    const late = () => codeOf(host.call(actor, "Echo", bytes("late"), { timeoutMs: 100 }));
    await until(async () => (await late()) === "DRAINING");
    gate.open();
    assert.deepEqual(new Set(await Promise.all(inFlight)), new Set(["let through"]));
    await stopping;
    await assert.rejects(echo(host, actor.id), { code: "ACTOR_ABSENT" });
  });

  test(`a host that stops in the middle of an update settles the calls of the old module (${where})`, async () => {
    const host = await startHost({ engines, limits: { drainMs: 100 } });
    const module = edgeActor();
    const actor = await host.startActor(module);
    const gate = new Gate();
    await host.link(actor, await host.startProvider(gate));
    const inFlight = host.call(actor, "Call", get).then(text);
    await until(() => gate.held === 1);
    await host.updateActor(actor, edgeActor({ module: actor.id, revision: 2 }));
    const [outcome] = await Promise.all([inFlight.catch((error: { code: string }) => error.code), host.stop()]);
    assert.equal(outcome, "STOPPED");
  });

  test(`a host that stops while an actor starts leaves nothing running (${where})`, async () => {
    const host = await startHost({ engines });
    const starting = host.startActor(edgeActor()).then(
      () => "started",
      (error: { code: string }) => error.code,
    );
    await host.stop();
    assert.ok(["started", "STOPPED", "ENGINE_LOST"].includes(await starting), await starting);
    assert.equal((await host.fleet.stats()).flatMap(({ placements }) => placements).length, 0);
    await assert.rejects(host.call("edge", "Echo", bytes("late")), { code: "STOPPED" });
    await assert.rejects(host.scale("edge", 2), { code: "STOPPED" });
  });
}

test("of two puts of one link at once the later one stands", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const opened: string[] = [];
  const held: (() => void)[] = [];
  const provider: Provider = {
    contractId: "wasmcloud:keyvalue",
    name: "store",
    putLink: async ({ values }) => {
      opened.push(`begin ${values["n"]}`);
      if (values["n"] === "1") await new Promise<void>((resolve) => held.push(resolve));
      opened.push(`end ${values["n"]}`);
    },
    handle: ({ link }) => bytes(link.values["n"] ?? ""),
  };
  const handle = await host.startProvider(provider);
  const first = host.link(actor, handle, { values: { n: "1" } });
  const second = host.link(actor, handle, { values: { n: "2" } });
  await until(() => held.length === 1);
  held[0]!();
  await Promise.all([first, second]);
  assert.deepEqual(opened, ["begin 1", "end 1", "begin 2", "end 2"]);
  assert.equal(text(await host.call(actor, "Call", get)), "2");
  assert.equal([...host.wanted.links.values()][0]?.spec.values["n"], "2");
});

test("a link that is put while its provider stops does not outlive it", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  let go: () => void = () => {};
  const opened = new Set<string>();
  const provider: Provider = {
    contractId: "wasmcloud:keyvalue",
    name: "store",
    putLink: async ({ id }) => {
      await new Promise<void>((resolve) => (go = resolve));
      opened.add(id);
    },
    deleteLink: ({ id }) => void opened.delete(id),
    handle: () => bytes("stored"),
  };
  const handle = await host.startProvider(provider);
  const linking = host.link(actor, handle).catch(() => undefined);
  await until(() => go.length === 1);
  const stopping = host.stopProvider(handle);
  go();
  await Promise.all([linking, stopping]);
  assert.deepEqual([opened.size, host.wanted.links.size, host.wanted.providers.size], [0, 0, 0]);
});

test("a stopped provider's second stop finds nothing to do wrong", async () => {
  await using host = await startHost();
  let stops = 0;
  const handle = await host.startProvider({
    contractId: "wasmcloud:keyvalue",
    name: "store",
    handle: () => bytes(""),
    stop: async () => void stops++,
  });
  const outcomes = await Promise.allSettled([host.stopProvider(handle), host.stopProvider(handle)]);
  assert.equal(outcomes[0]?.status, "fulfilled");
  assert.equal(stops, 1);
});

test("an actor with configuration of its own takes its links with it, so that its address is free again", async () => {
  await using host = await startHost();
  const web = await host.startProvider("wasmcloud:httpserver");
  const module = edgeActor({ capabilities: ["wasmcloud:httpserver"] });
  let port = "0";
  for (const round of ["first", "second"]) {
    const actor = await host.startActor(module, { env: { ROUND: round } });
    const { urls } = await host.link(actor, web, { values: { address: `127.0.0.1:${port}` } });
    port = new URL(urls[0]!).port;
    assert.equal(host.wanted.links.size, 1);
    await host.stopActor(actor);
    assert.equal(host.wanted.links.size, 0);
  }
});

test("taking a link back from one placement leaves those of the others", async () => {
  await using host = await startHost();
  const store = await host.startProvider("wasmcloud:keyvalue");
  const module = edgeActor();
  const [blue, green] = [
    await host.startActor(module, { env: { COLOUR: "blue" }, annotations: { colour: "blue" } }),
    await host.startActor(module, { env: { COLOUR: "green" }, annotations: { colour: "green" } }),
  ];
  for (const each of [blue, green]) await host.link(each, store);
  await host.unlink(blue, "wasmcloud:keyvalue");
  assert.deepEqual(
    [...host.wanted.links.values()].map(({ spec }) => spec.placement),
    [green.placement],
  );
  assert.match(text(await host.call(blue, "Call", get)), /missing link definition/);
});

test("an update that fails in one of several placements leaves all as they were", async () => {
  await using host = await startHost();
  const module = edgeActor({ revision: 1 });
  const key = module.claims.key;
  const placements = [];
  for (const n of ["1", "2"]) placements.push(await host.startActor(module, { annotations: { n } }));
  const [, second] = placements;
  const apply = host.fleet.apply.bind(host.fleet);
  host.fleet.apply = async (change) => {
    if (
      change.type === "put-placement" &&
      change.spec.id === second!.placement &&
      change.spec.module.claims.revision === 2
    )
      throw new Error("no room");
    return apply(change);
  };
  await assert.rejects(host.updateActor(key, edgeActor({ module: key, revision: 2 })), /no room/);
  assert.deepEqual(
    [...host.wanted.placements.values()].map(({ spec }) => spec.module.claims.revision),
    [1, 1],
  );
  assert.ok(host.events.recent().some(({ type }) => type === "actor_update_failed"));
});

test("limits of one placement are checked, and its memory is really its own", async () => {
  await using host = await startHost();
  for (const [name, value] of [
    ["instances", 0],
    ["cpuMs", -1],
    ["queue", 0.5],
  ] as const) {
    await assert.rejects(host.startActor(edgeActor(), { limits: { [name]: value } }), {
      code: "OPTION_OUT_OF_RANGE",
      message: new RegExp(`limits\\.${name}`),
    });
  }
  await assert.rejects(host.startActor(edgeActor(), { instances: 0 }), { code: "OPTION_OUT_OF_RANGE" });
  await assert.rejects(host.startActor(edgeActor(), { limits: { memory: 1 } as never }), { code: "OPTION_UNKNOWN" });
  const small = await host.startActor(edgeActor(), { limits: { memoryBytes: 3 * 65_536 } });
  for (let i = 0; i < 5; i++) await host.call(small, "Grow", bytes(""));
  assert.equal(text(await host.call(small, "Grow", bytes(""))), "3");
});

test("a module prepared for more memory than this placement may have is refused", async () => {
  await using host = await startHost();
  const { bytes: file } = edgeActor();
  const loaded = await host.load(file, "edge.wasm");
  await assert.rejects(host.startActor(loaded, { limits: { memoryBytes: 65_536 } }), { code: "MODULE_LIMIT" });
});

test("calls and changes of what does not exist reject, and never throw at once", async () => {
  await using host = await startHost();
  const calls = [
    () => host.call("nobody", "Echo", bytes("")),
    () => host.scale("nobody", 2),
    () => host.stopActor("nobody"),
    () => host.stopProvider("nobody"),
    () => host.unlink("nobody", "wasmcloud:keyvalue"),
  ];
  for (const call of calls) await assert.rejects(call());
});
