import assert from "node:assert/strict";
import { test } from "node:test";
import { type Host, type Provider, startHost } from "../../index.ts";
import { describeOf } from "../support/described.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { until } from "../support/until.ts";

const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const get = askHost("wasmcloud:keyvalue");

function store(parts: Partial<Provider> = {}): Provider {
  return { contractId: "wasmcloud:keyvalue", name: "store", handle: () => bytes("stored"), ...parts };
}

async function linked(host: Host, provider: Provider) {
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(provider);
  await host.link(actor, handle);
  const ask = async () => text(await host.call(actor, "Call", get));
  return { handle, actor, ask };
}

const names = (host: Host) => host.events.recent().map(({ type }) => type);

test("a provider that says it is ill is down: calls are refused at once, until it is well again", async () => {
  await using host = await startHost({ limits: { healthMs: 20 } });
  let well = true;
  let calls = 0;
  const { ask, handle } = await linked(
    host,
    store({ health: () => ({ healthy: well, message: "no disk" }), handle: () => (calls++, bytes("stored")) }),
  );
  assert.equal(await ask(), "stored");
  well = false;
  await until(async () => /store is down: no disk/.test(await ask()));
  const before = calls;
  assert.match(await ask(), /^error: .*store is down: no disk/);
  assert.equal(calls, before, "it was not asked");
  const { provider } = await describeOf(host, handle.id);
  assert.deepEqual([provider.state, provider.healthy, provider.message], ["down", false, "no disk"]);
  assert.equal(names(host).at(-1), "provider_down");
  well = true;
  await until(async () => (await ask()) === "stored");
  assert.equal((await describeOf(host, handle.id)).provider.state, "running");
  assert.equal(names(host).at(-1), "provider_up");
});

test("a failed call asks for the health at once, not at the next round", async () => {
  await using host = await startHost({ limits: { healthMs: 3_600_000 } });
  let well = true;
  const broken = store({
    health: () => ({ healthy: well, message: "connection lost" }),
    handle: () => (well ? bytes("stored") : Promise.reject(new Error("connection lost"))),
  });
  const { ask } = await linked(host, broken);
  well = false;
  assert.match(await ask(), /store failed Get: connection lost/);
  await until(async () => /store is down/.test(await ask()));
});

test("a provider whose health hangs or throws is down, and the host goes on", async () => {
  for (const health of [() => new Promise<never>(() => {}), () => assert.fail("confused")]) {
    await using host = await startHost({ limits: { healthMs: 20 } });
    const { ask } = await linked(host, store({ health }));
    await until(async () => /store is down: (confused|store did not answer in 1000 ms)/.test(await ask()));
  }
});

test("one that cannot be asked is left alone after many faults in sequence, and tried again", async () => {
  await using host = await startHost();
  let broken = true;
  let calls = 0;
  const { ask, handle } = await linked(
    host,
    store({ handle: () => (calls++, broken ? assert.fail("broken") : bytes("stored")) }),
  );
  for (let i = 0; i < 10; i++) assert.match(await ask(), /store failed Get: broken/);
  assert.match(await ask(), /store is down: broken/);
  assert.equal(calls, 10);
  assert.equal((await describeOf(host, handle.id)).provider.faults, 10);
  broken = false;
  await until(async () => (await ask()) === "stored");
});

test("a refusal is an answer: whoever asks wrongly takes nothing down", async () => {
  await using host = await startHost();
  const { ask } = await linked(host, await wrongTyped());
  for (let i = 0; i < 30; i++) assert.match(await ask(), /no operation/);
});

async function wrongTyped(): Promise<Provider> {
  const { fail } = await import("../../lattice/index.ts");
  return store({
    handle: ({ contractId }) => {
      throw fail("OPERATION_UNKNOWN", contractId, "Get");
    },
  });
}

test("a provider that may be started again comes back by itself, with its links", async () => {
  await using host = await startHost({ limits: { healthMs: 20 } });
  const life: string[] = [];
  let alive = false;
  const { ask, handle } = await linked(
    host,
    store({
      restartable: true,
      start: () => void (life.push("start"), (alive = true)),
      putLink: () => void life.push("link"),
      stop: async () => void life.push("stop"),
      health: () => ({ healthy: alive, message: "its process ended" }),
      handle: () => (alive ? bytes("stored") : Promise.reject(new Error("its process ended"))),
    }),
  );
  assert.equal(await ask(), "stored");
  alive = false;
  await until(async () => (await ask()).startsWith("error: "));
  await until(async () => (await ask()) === "stored");
  assert.deepEqual(life, ["start", "link", "stop", "start", "link"]);
  assert.equal((await describeOf(host, handle.id)).provider.restarts, 1);
  assert.ok(names(host).includes("provider_restarted"));
});

test("one that cannot come back is told apart from one that has: its reason stays, its links too", async () => {
  await using host = await startHost({ limits: { healthMs: 20 } });
  let starts = 0;
  let alive = true;
  const { ask, handle } = await linked(
    host,
    store({
      restartable: true,
      start: () => assert.ok(++starts === 1 || starts > 3, "no room"),
      health: () => ({ healthy: alive || starts > 3, message: "it fell" }),
    }),
  );
  alive = false;
  await until(async () => /its restart failed: .*no room/.test(await ask()));
  await until(async () => (await ask()) === "stored");
  assert.equal((await describeOf(host, handle.id)).provider.restarts, 1);
  assert.equal(host.wanted.links.size, 1);
});

test("a provider that fell is swapped for another", async () => {
  await using host = await startHost({ limits: { healthMs: 20 } });
  let well = true;
  const { ask, handle } = await linked(host, store({ health: () => ({ healthy: well }) }));
  well = false;
  await until(async () => /is down/.test(await ask()));
  await host.swapProvider(handle, store({ name: "other" }), { trialMs: 0 });
  assert.equal(await ask(), "stored");
  const { swaps } = await describeOf(host, handle.instance);
  assert.deepEqual([swaps?.[0]?.to, swaps?.[0]?.state], ["object:other", "drained"]);
});

test("health is asked of providers in other engines too", async () => {
  await using host = await startHost({ engines: 2, limits: { healthMs: 20 } });
  let well = true;
  const { ask } = await linked(host, store({ health: () => ({ healthy: well, message: "no disk" }) }));
  assert.equal(await ask(), "stored");
  well = false;
  await until(async () => /store is down: no disk/.test(await ask()));
});
