import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { KeyPair, type Provider, type ProviderCall, startHost } from "../../index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { Gate } from "../support/journey.ts";
import { until } from "../support/until.ts";

const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const never = new Promise<never>(() => {});
const get = askHost("wasmcloud:keyvalue");

/** A store that answers its own name; what a test gives replaces that. */
function store(name: string, parts: Partial<Provider> = {}): Provider {
  return { contractId: "wasmcloud:keyvalue", name, handle: () => bytes(name), ...parts };
}

for (const engines of [0, 2]) {
  const where = engines === 0 ? "in the caller's thread" : `from ${engines} engines`;

  test(`new calls go to the new provider, and its handle is the old one's (${where})`, async () => {
    await using host = await startHost({ engines });
    const actor = await host.startActor(edgeActor());
    const handle = await host.startProvider(store("old"));
    await host.link(actor, handle);
    const ask = async () => text(await host.call(actor, "Call", get));
    assert.equal(await ask(), "old");
    const steps: string[] = [];
    const done = await host.swapProvider(handle, store("new"), { trialMs: 0, onStep: ({ step }) => steps.push(step) });
    assert.equal(await ask(), "new");
    assert.deepEqual(steps, ["started", "linked", "healthy", "switched", "drained"]);
    assert.deepEqual([done.outcome, done.lost], ["swapped", 0]);
    assert.deepEqual(
      [...host.wanted.providers.values()].map(({ spec }) => spec.name),
      ["new"],
    );
    assert.equal(host.fleet.objects.size, 1);
    await host.link(actor, handle, { values: { deadline: "1s" } });
    assert.equal(await ask(), "new", "a link put to the old handle means who runs now");
    await host.swapProvider(handle, store("newer"), { trialMs: 0 });
    assert.equal(await ask(), "newer");
    await host.stopProvider(handle);
    assert.deepEqual([host.wanted.providers.size, host.wanted.links.size, host.fleet.objects.size], [0, 0, 0]);
  });

  test(`a swap from ours to an object and back (${where})`, async () => {
    await using host = await startHost({ engines });
    const actor = await host.startActor(edgeActor());
    const handle = await host.startProvider("builtin:keyvalue-memory");
    await host.link(actor, handle);
    await host.swapProvider(handle, store("mine"), { trialMs: 0 });
    assert.equal(text(await host.call(actor, "Call", get)), "mine");
    await host.swapProvider(handle, "memory", { trialMs: 0 });
    assert.doesNotMatch(text(await host.call(actor, "Call", get)), /mine/);
    assert.equal([...host.wanted.providers.values()][0]?.reference, "builtin:keyvalue-memory");
  });
}

test("a link put at any moment of a swap, by handle, contract or the key of before, is with who serves then", async () => {
  await using host = await startHost();
  const handle = await host.startProvider("builtin:keyvalue-memory");
  const linked = await host.startActor(edgeActor({ name: "linked" }));
  const failures: unknown[] = [];
  let puts = 0;
  let over = false;
  const putting = (target: typeof handle | string) =>
    (async () => {
      for (let at = 0; !over; at++) {
        await host.link(linked, target, { linkName: `${at % 5}` }).catch((error: unknown) => failures.push(error));
        puts++;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
  const all = Promise.all([handle, "keyvalue", handle.id].map(putting));
  for (const next of [store("one", { key: KeyPair.generate("service").publicKey }), store("two")]) {
    const before = puts;
    await host.swapProvider(handle, next, { trialMs: 50 });
    await until(() => puts > before + 100, 20_000);
  }
  over = true;
  await all;
  assert.deepEqual(failures, []);
  for (let at = 0; at < 5; at++)
    assert.equal(text(await host.call(linked, "Call", askHost("wasmcloud:keyvalue", "Get", "", `${at}`))), "two");
});

test("a call in flight ends on the old provider, which is stopped after it", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const gate = new Gate(bytes("from the old"));
  let stopped = false;
  const old = Object.assign(gate, { stop: async () => void (stopped = true) });
  const handle = await host.startProvider(old);
  await host.link(actor, handle);
  const held = host.call(actor, "Call", get);
  await until(() => gate.held === 1);
  const swapping = host.swapProvider(handle, store("new"), { trialMs: 0 });
  await until(() => [...host.wanted.providers.values()][0]?.spec.name === "new");
  assert.equal(text(await host.call(actor, "Call", get)), "new");
  assert.equal(stopped, false);
  gate.open();
  assert.equal(text(await held), "from the old");
  assert.equal((await swapping).lost, 0);
  assert.ok(stopped);
});

test("an old provider that never ends its calls is stopped at the deadline, and they are counted", async () => {
  await using host = await startHost({ limits: { drainMs: 50 } });
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(store("old", { handle: () => never }));
  await host.link(actor, handle);
  const held = host.call(actor, "Call", get, { timeoutMs: 60_000 }).catch(() => {});
  await until(
    async () => (await host.fleet.ask<"figures">({ type: "figures", id: handle.instance }))[0]?.inFlight === 1,
  );
  assert.equal((await host.swapProvider(handle, store("new"), { trialMs: 0 })).lost, 1);
  assert.equal(text(await host.call(actor, "Call", get)), "new");
  await host.stop();
  await held;
});

test("everything that the new provider refuses is told before anything has changed", async () => {
  await using host = await startHost();
  const actors = [await host.startActor(edgeActor({ name: "tea" })), await host.startActor(edgeActor({ name: "pot" }))];
  const handle = await host.startProvider(store("old"));
  for (const [at, actor] of actors.entries()) await host.link(actor, handle, { values: { at: String(at) } });
  let stopped = 0;
  const picky = store("picky", {
    putLink: ({ values }) => assert.fail(`no room at ${values["at"]}`),
    stop: async () => void stopped++,
  });
  await assert.rejects(host.swapProvider(handle, picky), {
    code: "SWAP_REFUSED",
    message: /of tea: .*no room at 0.*of pot: .*no room at 1/,
  });
  await assert.rejects(host.swapProvider(handle, { ...store("other"), contractId: "wasmcloud:messaging" }), {
    code: "SWAP_REFUSED",
    message: /wasmcloud:messaging, not wasmcloud:keyvalue/,
  });
  await assert.rejects(host.swapProvider(handle, "builtin:nothing"), { code: "BUILTIN_ABSENT" });
  await assert.rejects(host.swapProvider(handle, "files"), {
    code: "REQUEST_INVALID",
    message: /files means a provider of wasmcloud:blobstore, the running one is of wasmcloud:keyvalue/,
  });
  await assert.rejects(host.swapProvider(handle, store("mute"), { copyState: true }), { code: "SWAP_REFUSED" });
  assert.deepEqual([stopped, host.wanted.providers.size, host.fleet.objects.size], [1, 1, 1]);
  for (const actor of actors) assert.equal(text(await host.call(actor, "Call", get)), "old");
  const names = host.events.recent().map(({ type }) => type);
  assert.ok(names.includes("swap_failed") && !names.includes("swapped"));
});

test("a new provider that is not healthy gets no call", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(store("old"));
  await host.link(actor, handle);
  const calls: ProviderCall[] = [];
  let well = false;
  const slow = store("slow", {
    health: () => ({ healthy: well, message: "still loading" }),
    handle: (call) => (calls.push(call), bytes("slow")),
  });
  const swapping = host.swapProvider(handle, slow, { trialMs: 0 });
  for (let i = 0; i < 20; i++) assert.equal(text(await host.call(actor, "Call", get)), "old");
  assert.equal(calls.length, 0);
  well = true;
  await swapping;
  assert.equal(text(await host.call(actor, "Call", get)), "slow");
});

for (const [ill, parts] of [
  ["throws", { handle: () => assert.fail("broken") }],
  ["answers nonsense", { handle: () => Promise.resolve("nonsense" as never) }],
  ["answers an error", { handle: () => Promise.reject(new Error("broken")) }],
] as [string, Partial<Provider>][]) {
  test(`a new provider that ${ill} is out of the path after that one call`, async () => {
    await using host = await startHost();
    const actor = await host.startActor(edgeActor());
    const handle = await host.startProvider(store("old"));
    await host.link(actor, handle);
    const swapping = host.swapProvider(handle, store("new", parts), { trialMs: 60_000 });
    await until(() => [...host.wanted.providers.values()][0]?.spec.name === "new");
    const answers = [];
    for (let i = 0; i < 10; i++) answers.push(text(await host.call(actor, "Call", get)));
    assert.match(answers[0]!, /^error: /);
    assert.deepEqual(
      answers.slice(1),
      Array.from({ length: 9 }, () => "old"),
    );
    const { outcome, reason, provider } = await swapping;
    assert.deepEqual([outcome, provider.name], ["returned", "old"]);
    assert.match(reason ?? "", /broken|bytes/);
    assert.equal(text(await host.call(actor, "Call", get)), "old");
    assert.equal(host.events.recent().at(-1)?.type, "swap_returned");
  });
}

test("a new provider that hangs on trial gives its calls to the old one", async () => {
  await using host = await startHost({ limits: { drainMs: 20 } });
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(store("old"));
  await host.link(actor, handle);
  const swapping = host.swapProvider(handle, store("new", { handle: () => never, health: () => ({ healthy: true }) }), {
    trialMs: 60_000,
    drainMs: 20,
  });
  await until(() => [...host.wanted.providers.values()][0]?.spec.name === "new");
  const hung = host.call(actor, "Call", get, { timeoutMs: 60_000 }).catch(() => {});
  assert.match((await swapping).reason ?? "", /none was answered/);
  assert.equal(text(await host.call(actor, "Call", get)), "old");
  await host.stop();
  await hung;
});

test("a new provider that falls ill on trial gives way without a single failed call", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(store("old"));
  await host.link(actor, handle);
  let well = true;
  const swapping = host.swapProvider(handle, store("new", { health: () => ({ healthy: well, message: "no disk" }) }), {
    trialMs: 60_000,
  });
  await until(async () => text(await host.call(actor, "Call", get)) === "new");
  well = false;
  assert.deepEqual([(await swapping).reason, text(await host.call(actor, "Call", get))], ["no disk", "old"]);
});

test("another swap, a stop or a drain ends a trial and keeps what it had", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(store("one"));
  await host.link(actor, handle);
  const first = host.swapProvider(handle, store("two"), { trialMs: 60_000 });
  const second = host.swapProvider(handle, store("three"), { trialMs: 60_000 });
  assert.equal((await first).outcome, "swapped");
  await until(async () => text(await host.call(actor, "Call", get)) === "three");
  await host.drainProvider(handle);
  assert.equal((await second).outcome, "swapped");
  assert.match(text(await host.call(actor, "Call", get)), /three is draining/);
  const third = host.swapProvider(handle, store("four"), { trialMs: 60_000 });
  await until(async () => text(await host.call(actor, "Call", get)) === "four");
  await host.stopProvider(handle);
  assert.equal((await third).outcome, "swapped");
  assert.equal(host.wanted.providers.size, 0);
});

test("links put, changed and taken back during a trial are those of the old one when it serves again", async () => {
  await using host = await startHost();
  const actors = [
    await host.startActor(edgeActor()),
    await host.startActor(edgeActor()),
    await host.startActor(edgeActor()),
  ];
  const open = new Map<string, string | undefined>();
  const old = store("old", { putLink: ({ actor, values }) => void open.set(actor, values["at"]) });
  const handle = await host.startProvider(old);
  await host.link(actors[0]!, handle, { values: { at: "before" } });
  await host.link(actors[1]!, handle);
  let well = true;
  const swapping = host.swapProvider(handle, store("new", { health: () => ({ healthy: well }) }), { trialMs: 60_000 });
  await until(async () => text(await host.call(actors[0]!, "Call", get)) === "new");
  await host.link(actors[0]!, handle, { values: { at: "after" } });
  await host.unlink(actors[1]!, "wasmcloud:keyvalue");
  await host.link(actors[2]!, handle);
  well = false;
  await swapping;
  assert.equal(open.get(actors[0]!.id), "after");
  assert.equal(text(await host.call(actors[0]!, "Call", get)), "old");
  assert.match(text(await host.call(actors[1]!, "Call", get)), /missing link definition/);
  assert.equal(text(await host.call(actors[2]!, "Call", get)), "old");
});

test("after its trial a failed call is only a failed call", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(store("old"));
  await host.link(actor, handle);
  let failing = false;
  const next = store("new", { handle: () => (failing ? assert.fail("once") : bytes("new")) });
  assert.equal((await host.swapProvider(handle, next, { trialMs: 20 })).outcome, "swapped");
  failing = true;
  assert.match(text(await host.call(actor, "Call", get)), /new failed Get: once/);
  failing = false;
  assert.equal(text(await host.call(actor, "Call", get)), "new");
});

/** A store of so many entries that can be copied, as slowly as asked. */
function full(name: string, keys: number, parts: Partial<Provider> = {}): Provider & { readonly taken: string[] } {
  const taken: string[] = [];
  return Object.assign(
    store(name, {
      countEntries: async () => keys,
      async *exportEntries() {
        for (let at = 0; at < keys; at++) yield { key: `key ${at}`, kind: "value" as const, value: "x" };
      },
      importEntries: async (entries) => {
        const before = taken.length;
        for await (const { key } of entries) taken.push(key);
        return taken.length - before;
      },
      ...parts,
    }),
    { taken },
  );
}

test("up to 10 000 keys are copied without asking; beyond that the pause is named and must be accepted", async () => {
  await using host = await startHost();
  const handle = await host.startProvider(full("small", 10_000));
  const middle = full("middle", 10_001);
  const steps: string[] = [];
  const options = { copyState: true, trialMs: 0, onStep: ({ text: said }: { text: string }) => void steps.push(said) };
  assert.equal((await host.swapProvider(handle, middle, options)).keysCopied, 10_000);
  assert.equal(new Set(middle.taken).size, 10_000);
  await assert.rejects(host.swapProvider(handle, full("large", 0), options), {
    code: "SWAP_PAUSE",
    message: /10001 keys .* about \d+ s/,
  });
  assert.equal([...host.wanted.providers.values()][0]?.spec.name, "middle");
  const large = full("large", 0);
  await host.swapProvider(handle, large, { ...options, acceptPause: true });
  assert.equal(new Set(large.taken).size, 10_001);
  assert.ok(steps.some((said) => /calls wait while 10001 keys are copied, about \d+ s/.test(said)));
});

test("a store that lists all its keys before the first asks for no consent up to 10 000, and beyond that its estimate knows it", async () => {
  await using host = await startHost();
  const listing = (name: string, keys: number) =>
    full(name, keys, {
      async *exportEntries() {
        await new Promise((resolve) => setTimeout(resolve, 700));
        for (let at = 0; at < keys; at++) yield { key: `key ${at}`, kind: "value" as const, value: "x" };
      },
    });
  const options = { copyState: true, trialMs: 0 };
  const handle = await host.startProvider(listing("listing", 9_901));
  assert.equal((await host.swapProvider(handle, listing("larger", 20_001), options)).keysCopied, 9_901);
  const asked = await host.swapProvider(handle, full("other", 0), options).then(
    () => new Error("it was not asked for"),
    (error: Error) => error,
  );
  const [, seconds] = /20001 keys .* about (\d+) s/.exec(asked.message) ?? [];
  // By its first page alone it would be 84 s.
  assert.ok(Number(seconds) < 60, asked.message);
});

test("calls that wait are counted, in whichever engine they wait", async () => {
  await using host = await startHost({ engines: 1 });
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(full("old", 1));
  await host.link(actor, handle);
  const waited = async () =>
    (await host.fleet.ask<"figures">({ type: "figures", id: handle.instance })).reduce(
      (sum, each) => sum + each.waited,
      0,
    );
  let waiting: Promise<Uint8Array> | undefined;
  const slow = full("new", 0, {
    importEntries: async () => {
      waiting = host.call(actor, "Call", get);
      await until(async () => (await waited()) === 1);
      return 1;
    },
  });
  const outcome = await host.swapProvider(handle, slow, { copyState: true, trialMs: 0, acceptPause: true });
  assert.equal(outcome.waited, 1);
  assert.equal(text(await waiting!), "new");
});

test("a copy that fails half-way leaves the old store in place, and its calls go on", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(full("old", 600));
  await host.link(actor, handle);
  let waiting: Promise<Uint8Array> | undefined;
  const broken = full("new", 0, {
    importEntries: async () => {
      waiting = host.call(actor, "Call", get);
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error("disk full");
    },
  });
  await assert.rejects(host.swapProvider(handle, broken, { copyState: true }), {
    code: "SWAP_REFUSED",
    message: /old is not swapped for new: .*disk full/,
  });
  assert.equal(text(await waiting!), "old", "the call that waited meanwhile");
});

test("a host that comes back says how a swap ended that its last process did not finish", async () => {
  const stateDirectory = mkdtempSync(join(tmpdir(), "lattice-swap-"));
  const hostSeed = KeyPair.generate("server").seed;
  for (const stands of ["old", "new"] as const) {
    const script = `
      import { startHost } from ${JSON.stringify(new URL("../../index.ts", import.meta.url).href)};
      const host = await startHost(${JSON.stringify({ stateDirectory, hostSeed })});
      const store = (name, parts) => ({ contractId: "wasmcloud:keyvalue", name, handle: () => new Uint8Array(), ...parts });
      const handle = await host.startProvider(store("first"));
      const end = ({ step }) => { if (step === ${JSON.stringify(stands === "old" ? "started" : "switched")}) process.kill(process.pid, "SIGKILL"); };
      await host.swapProvider(handle, store("second"), { onStep: end });
    `;
    const { signal } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    assert.equal(signal, "SIGKILL");
    await using host = await startHost({ stateDirectory, hostSeed, logLevel: "silent" });
    const told = host.events.recent().find(({ type }) => type === "swap_interrupted")?.data;
    assert.deepEqual([told?.["from"], told?.["to"], told?.["stands"]], ["object:first", "object:second", stands]);
  }
  await using again = await startHost({ stateDirectory, hostSeed, logLevel: "silent" });
  assert.ok(!again.events.recent().some(({ type }) => type === "swap_interrupted"), "said once");
  rmSync(stateDirectory, { recursive: true });
});
