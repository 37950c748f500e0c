import assert from "node:assert/strict";
import { test } from "node:test";
import type { Provider } from "../../capabilities/index.ts";
import type { Host } from "../../host/index.ts";
import { type ErrorCode, fail, KeyPair } from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { JoinedHosts } from "../support/joined-hosts.ts";
import { codeOf, Gate } from "../support/journey.ts";
import { until } from "../support/until.ts";

const contract = "wasmcloud:keyvalue";
const get = askHost(contract);
const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const { publicKey: key } = KeyPair.generate("service");

/** One of several hosts' own; it says whose it is. */
function store(name: string, handle: Provider["handle"] = () => bytes(name)): Provider {
  return { contractId: contract, name: `store of ${name}`, key, handle };
}

function providerId(host: Host): string {
  return [...host.wanted.providers.keys()][0]!;
}

for (const rpc of ["session", "wasmcloud"] as const) {
  test(`a provider that drains here sends calls to a host where it does not, as ${rpc}`, async () => {
    await using world = new JoinedHosts();
    const [here, there] = [await world.join({ rpc }), await world.join({ rpc })];
    const asker = await here.startActor(edgeActor({ name: "asker" }));
    const own = await here.startProvider(store("here"));
    await here.link(asker.id, own);
    const ask = () => here.call(asker, "Call", get).then(text);
    await there.startProvider(store("there"));
    await until(() => there.wanted.links.size === 1);
    await world.meet();
    assert.equal(await ask(), "here");
    await here.fleet.apply({ type: "drain-provider", id: providerId(here), drainMs: 0 });
    assert.equal(await ask(), "there");
    // A call that came from elsewhere goes no further: hosts that all drain would hand it round.
    await there.fleet.apply({ type: "drain-provider", id: providerId(there), drainMs: 0 });
    assert.match(await ask(), /is draining/);
    await world.part(there);
    assert.match(await ask(), /is draining/);
  });

  test(`a call that a provider has begun is not sent to another host, whatever it fails with, as ${rpc}`, async () => {
    await using world = new JoinedHosts();
    const here = await world.join({ rpc });
    const asker = await here.startActor(edgeActor({ name: "asker" }));
    let begun = 0;
    let code: ErrorCode = "DRAINING";
    const failing = () => {
      begun++;
      throw fail(code as "DRAINING", "something else");
    };
    for (const host of [await world.join({ rpc }), await world.join({ rpc })]) {
      const handle = await host.startProvider(store("there", failing));
      await host.link(asker.id, handle);
    }
    await until(() => here.wanted.links.size === 1);
    await world.meet();
    for (code of ["DRAINING", "NO_RESPONDERS", "PROVIDER_ABSENT", "PROVIDER_DOWN", "SESSION_REFUSED"] as const) {
      begun = 0;
      assert.match(text(await here.call(asker, "Call", get)), /^error: .*something else/);
      assert.equal(begun, 1, code);
    }
  });
}

test("an actor that a host refuses for certain is asked on another", async () => {
  await using world = new JoinedHosts();
  const here = await world.join();
  const others = [await world.join(), await world.join()];
  const module = edgeActor({ name: "target" });
  for (const host of others) await host.startActor(module);
  await world.meet();
  // What was announced is true no more.
  await others[0]!.stopActor(module.claims.key);
  for (let turn = 0; turn < 8; turn++)
    assert.equal(text(await here.call(module.claims.key, "Echo", bytes("hi"))), "hi");
});

test("calls to an engine that is lost end at once by code and run nowhere else, those to others go on", async () => {
  await using world = new JoinedHosts({ rpcTimeoutMs: 60_000 });
  const here = await world.join();
  const others = [await world.join(), await world.join()];
  const module = edgeActor({ name: "target" });
  const gates = [new Gate(), new Gate()];
  for (const [at, host] of others.entries()) {
    await host.startActor(module);
    const handle = await host.startProvider(store("gate", (call) => gates[at]!.handle(call)));
    await host.link(module.claims.key, handle);
  }
  await world.meet();
  const held = () => gates.reduce((sum, gate) => sum + gate.held, 0);
  const calls = Array.from({ length: 8 }, () =>
    codeOf(here.call(module.claims.key, "Call", get, { timeoutMs: 60_000 })),
  );
  await until(() => held() === 8);
  const lost = gates[0]!.held;
  await here.fleet.apply({ type: "put-peer", peer: { ...(await world.presence(others[0]!)), places: [] } });
  await until(async () => {
    const [{ remote } = {}] = await here.fleet.stats();
    return remote?.failed.session === lost;
  });
  assert.equal(held(), 8);
  for (const gate of gates) gate.open();
  const codes = await Promise.all(calls);
  assert.deepEqual(
    codes.filter(Boolean),
    Array.from({ length: lost }, () => "ENGINE_LOST"),
  );
});
