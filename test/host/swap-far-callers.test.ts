import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { childProvider, type Host, type HostOptions, KeyPair, type Provider, startHost } from "../../index.ts";
import { memoryKeyvalue } from "../../capabilities/index.ts";
import { Counting } from "../support/counting.ts";
import { edgeActor } from "../support/edge.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
const patience = 60_000;
/** Time enough for a call on a busy machine. */
const patient = { rpcTimeoutMs: 20_000, callTimeoutMs: 60_000 };
const folder = mkdtempSync(join(tmpdir(), "lattice-far-"));
let server: NatsServer;

before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const meet = (hosts: readonly Host[]) =>
  until(
    () => hosts.every(({ member }) => member?.peers.filter(({ draining }) => !draining).length === hosts.length - 1),
    patience,
  );

/** A store of the caller's own, under a key of its own. */
const object = (): Provider =>
  Object.defineProperties(memoryKeyvalue(), {
    key: { value: KeyPair.generate("service").publicKey },
    name: { value: "object" },
  });
const child = () => childProvider(fileURLToPath(new URL("../chaos/child-store.ts", import.meta.url)));

test("a copy that nobody was asked for ends before callers on other hosts give up", { skip }, async () => {
  const options: HostOptions = {
    nats: server.url,
    lattice: "far-copy",
    clusterSeed: KeyPair.generate("cluster").seed,
    logLevel: "silent",
    limits: { rpcTimeoutMs: 5_000 },
  };
  await using one = await startHost(options);
  await using two = await startHost(options);
  await meet([one, two]);
  const store = await one.startProvider("builtin:keyvalue-memory");
  const actor = await two.startActor(edgeActor({ name: "counter" }));
  await until(
    () =>
      one.link(actor.id, store).then(
        () => true,
        () => false,
      ),
    patience,
  );
  const way = { key: store.id, linkName: store.linkName, host: one.id };
  await until(() => two.wanted.links.size === 1 && two.knowsWay(way, []), patience);
  const counting = new Counting(two, { actors: [actor], callers: 4, keys: 10 });
  await until(() => counting.done > 100 || counting.errors > 0, patience);
  const slow = Object.defineProperty(object(), "importEntries", {
    value: () => new Promise((resolve) => setTimeout(resolve, 60_000).unref()),
  });
  await assert.rejects(one.swapProvider(store, slow, { copyState: true }), { code: "SWAP_PAUSE" });
  await counting.stop();
  assert.deepEqual(counting.wrong, []);
});

/** Calls its actors over each link from its opening to its close, one call after the other. */
function calling(name: string, tell: (problem: string | undefined) => void): Provider {
  let context: Parameters<NonNullable<Provider["start"]>>[0];
  const open = new Map<string, { closed: boolean; over: Promise<void> }>();
  return {
    contractId: "wasmcloud:messaging",
    name,
    key: KeyPair.generate("service").publicKey,
    start: (given) => void (context = given),
    putLink(link) {
      const state = { closed: false, over: Promise.resolve() };
      open.set(link.id, state);
      const call = () => context.invoke(link, "Echo", new Uint8Array(1));
      state.over = (async () => {
        while (!state.closed) {
          await call().then(
            () => tell(undefined),
            (error: unknown) => tell(`${name}: ${String(error)}`),
          );
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
    },
    async deleteLink({ id }) {
      const state = open.get(id);
      if (state) state.closed = true;
      await state?.over;
    },
    handle: () => new Uint8Array(),
    async stop() {
      for (const state of open.values()) state.closed = true;
    },
  };
}

test("providers that change places lose no call of theirs to actors on other hosts", { skip }, async () => {
  const options: HostOptions = {
    nats: server.url,
    lattice: "far-actors",
    clusterSeed: KeyPair.generate("cluster").seed,
    logLevel: "silent",
    limits: patient,
  };
  await using one = await startHost(options);
  await using two = await startHost(options);
  await meet([one, two]);
  const actor = await two.startActor(edgeActor({ name: "called", capabilities: ["wasmcloud:messaging"] }));
  let [done, problems]: [number, string[]] = [0, []];
  const tell = (problem: string | undefined) => void (problem === undefined ? done++ : problems.push(problem));
  const first = await one.startProvider(calling("first", tell));
  await until(
    () =>
      one.link(actor.id, first).then(
        () => true,
        () => false,
      ),
    patience,
  );
  const seen = () => {
    const wanted = done + 100;
    return until(() => done >= wanted || problems.length > 0, patience);
  };
  // What it calls before the other host has heard of the link is refused, as ever.
  await until(() => done > 0, patience);
  problems = [];
  for (const name of ["second", "third"]) {
    await seen();
    assert.equal((await one.swapProvider(first, calling(name, tell), { trialMs: 100 })).outcome, "swapped");
    await seen();
  }
  assert.deepEqual(problems.slice(0, 3), []);
});

for (const { rpc, engines } of [
  { rpc: "session", engines: 0 },
  { rpc: "wasmcloud", engines: 0 },
  { rpc: "both", engines: 1 },
] as const) {
  test(
    `actors on another host lose no call while their store is swapped for others with other keys (${rpc}, ${engines} engines)`,
    { skip },
    async () => {
      const options: HostOptions = {
        nats: server.url,
        lattice: `far-${rpc}-${engines}`,
        clusterSeed: KeyPair.generate("cluster").seed,
        logLevel: "silent",
        limits: patient,
        rpc,
        engines,
      };
      await using one = await startHost(options);
      await using two = await startHost(options);
      await meet([one, two]);
      const store = await one.startProvider("builtin:keyvalue-memory");
      const actor = await two.startActor(edgeActor({ name: "counter" }));
      await until(
        () =>
          one.link(actor.id, store).then(
            () => true,
            () => false,
          ),
        patience,
      );
      const way = { key: store.id, linkName: store.linkName, host: one.id };
      await until(() => two.wanted.links.size === 1 && two.knowsWay(way, []), patience);
      const counting = new Counting(two, { actors: [actor], callers: 8, keys: 10 });
      const sqlite = join(folder, `${rpc}-${engines}.db`);
      const seen = (calls: number, errors = counting.errors) =>
        until(() => counting.done >= calls || counting.errors > errors, patience);
      for (const next of engines === 0 ? [`sqlite:${sqlite}`, object(), await child(), "memory"] : [object()]) {
        const before = counting.done;
        const { outcome, lost } = await one.swapProvider(store, next, { copyState: true, trialMs: 0 });
        assert.deepEqual([outcome, lost], ["swapped", 0]);
        await seen(before + 100);
      }
      let ill = false;
      const falling = Object.defineProperty(object(), "health", {
        value: () => ({ healthy: !ill, message: ill ? "it is ill" : "" }),
      });
      const steps: string[] = [];
      const swapping = one.swapProvider(store, falling, {
        copyState: true,
        trialMs: 60_000,
        onStep: ({ step }) => steps.push(step),
      });
      await until(() => steps.includes("trial"), patience);
      await seen(counting.done + 100);
      ill = true;
      assert.equal((await swapping).outcome, "returned");
      assert.equal(steps.filter((step) => step === "known").length, 2);
      await seen(counting.done + 100);
      await counting.stop();
      assert.deepEqual(counting.wrong, []);
      assert.deepEqual(await counting.differences(), []);
    },
  );
}
