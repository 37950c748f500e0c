import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { pack, unpack } from "msgpackr";
import {
  type ActorHandle,
  type Host,
  type HostOptions,
  KeyPair,
  type Provider,
  startHost,
  type SwapOptions,
} from "../../index.ts";
import { calling } from "../support/actors.ts";
import { Counting } from "../support/counting.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { StoreServer, skipWithout } from "../support/store-servers.ts";
import { until } from "../support/until.ts";

const skip = natsSkip();
const contract = "wasmcloud:keyvalue";
const patience = 60_000;
const keys = 20;
const get = askHost(contract);
let server: NatsServer;
let lattices = 0;

before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(() => server?.[Symbol.asyncDispose]());

const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);

/** Hosts of one lattice of a test's own, that know each other. */
class Hosts implements AsyncDisposable {
  readonly all: Host[] = [];
  readonly #options: HostOptions = {
    nats: server.url,
    lattice: `moves-${++lattices}`,
    clusterSeed: KeyPair.generate("cluster").seed,
    // No subject that all share, by which a call would find its way when presence does not tell it.
    rpc: "session",
    logLevel: "silent",
    // Time enough for a call on a busy machine.
    limits: { rpcTimeoutMs: 20_000, callTimeoutMs: 60_000 },
  };

  static async start(many: number, options: HostOptions = {}): Promise<Hosts> {
    const hosts = new Hosts();
    for (let at = 0; at < many; at++) await hosts.add(options);
    return hosts;
  }

  async add(options: HostOptions = {}): Promise<Host> {
    const host = await startHost({ ...this.#options, ...options });
    this.all.push(host);
    await until(
      () =>
        this.all.every((each) => each.member?.peers.filter(({ draining }) => !draining).length === this.all.length - 1),
      patience,
    );
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((host) => host.stop()));
  }
}

/** Counts from both sides of a lattice in the same keys of one store. */
class TwoSides {
  readonly #sides: readonly Counting[];
  readonly #asked: readonly [Host, ActorHandle];

  constructor(sides: readonly (readonly [Host, ActorHandle])[]) {
    this.#asked = sides[0]!;
    this.#sides = sides.map(([host, actor]) => new Counting(host, { actors: [actor], callers: 4, keys }));
  }

  get done(): number {
    return this.#sides.reduce((sum, { done }) => sum + done, 0);
  }

  async more(calls = 200): Promise<void> {
    const wanted = this.#sides.map(({ done }) => done + calls);
    await until(() => this.#sides.every(({ done, errors }, at) => done + errors >= wanted[at]!), patience);
  }

  /** Every call was answered, and the store has counted each once. */
  async exact(): Promise<void> {
    await Promise.all(this.#sides.map((side) => side.stop()));
    assert.deepEqual(
      this.#sides.flatMap(({ wrong }) => wrong),
      [],
    );
    const [host, actor] = this.#asked;
    let sum = 0;
    for (let at = 0; at < keys; at++) {
      const reply = await host.call(actor, "Call", calling(contract, "Get", pack({ key: `count-${at}` })));
      sum += Number((unpack(reply) as { value: string }).value);
    }
    assert.equal(sum, this.done);
  }
}

/** An actor on each of the hosts, linked to the store that runs on the first. */
async function counters(hosts: readonly Host[], store: Provider | string): Promise<[Host, ActorHandle][]> {
  const provider = await hosts[0]!.startProvider(store);
  const sides: [Host, ActorHandle][] = [];
  for (const [at, host] of hosts.entries()) {
    const actor = await host.startActor(edgeActor({ name: `counter ${at}` }));
    await until(
      async () =>
        await hosts[0]!.link(actor.id, provider).then(
          () => true,
          () => false,
        ),
      patience,
    );
    sides.push([host, actor]);
  }
  for (const [host, actor] of sides) {
    await until(async () => !text(await host.call(actor, "Call", get)).startsWith("error: "), patience);
  }
  return sides;
}

/** A store that answers its own name, under a key of its own. */
function named(name: string, parts: Partial<Provider> = {}): Provider {
  const { publicKey: key } = KeyPair.generate("service");
  return { contractId: contract, name, key, handle: () => bytes(name), ...parts };
}

const only = (host: Host) => [...host.wanted.providers.values()].map(({ reference }) => reference);
const copied: SwapOptions = { copyState: true, trialMs: 0 };

for (const { engines, rpc } of [
  { engines: 0, rpc: "session" },
  { engines: 1, rpc: "both" },
  { engines: 0, rpc: "wasmcloud" },
] as const) {
  test(
    `a store goes from host to host and back with its state, and no actor on either notices (${engines} engines, ${rpc})`,
    { skip },
    async () => {
      await using hosts = await Hosts.start(3, { engines, rpc });
      const [one, two] = hosts.all as [Host, Host, Host];
      const counting = new TwoSides(await counters(hosts.all, "builtin:keyvalue-memory"));
      for (const [from, to] of [
        [one, two],
        [two, one],
        [one, two],
      ] as const) {
        await counting.more();
        const steps: string[] = [];
        const outcome = await from.swapProvider("keyvalue", undefined, {
          ...copied,
          toHost: to.name,
          onStep: ({ step }) => steps.push(step),
        });
        assert.deepEqual(steps, ["started", "linked", "healthy", "copying", "copied", "switched", "known", "drained"]);
        assert.deepEqual([outcome.outcome, outcome.lost, outcome.host], ["swapped", 0, to.name]);
        assert.deepEqual([only(from), only(to)], [[], ["builtin:keyvalue-memory"]]);
        assert.ok(outcome.keysCopied >= keys);
      }
      await counting.more();
      await counting.exact();
    },
  );
}

test("a store goes to another host and another implementation at once", { skip }, async (t) => {
  const without = skipWithout("redis-server");
  if (without !== false) return t.skip(without);
  await using redis = await StoreServer.start("redis-server");
  await using hosts = await Hosts.start(3);
  const [one, two] = hosts.all as [Host, Host, Host];
  const counting = new TwoSides(await counters(hosts.all, "builtin:keyvalue-memory"));
  await counting.more();
  const to = await one.swapProvider("keyvalue", `redis://127.0.0.1:${redis.port}`, { ...copied, toHost: two.id });
  assert.equal(to.provider.name, [...two.wanted.providers.values()][0]?.spec.name);
  await counting.more();
  const back = await two.swapProvider("keyvalue", "memory", { ...copied, toHost: one.id.slice(0, 20) });
  assert.deepEqual([back.outcome, back.lost, only(one), only(two)], ["swapped", 0, ["builtin:keyvalue-memory"], []]);
  await counting.more();
  await counting.exact();
});

test("a link put while its provider goes to another host, on either, is with who serves then", { skip }, async () => {
  await using hosts = await Hosts.start(2);
  const [one, two] = hosts.all as [Host, Host];
  const handle = await one.startProvider("builtin:keyvalue-memory");
  const actor = await one.startActor(edgeActor());
  await until(
    () =>
      two.link(actor.id, "keyvalue").then(
        () => true,
        () => false,
      ),
    patience,
  );
  const failures: unknown[] = [];
  let puts = 0;
  let over = false;
  const putting = async (host: Host, target: typeof handle | string) => {
    for (let at = 0; !over; at++) {
      await host.link(actor.id, target, { linkName: `${at % 5}` }).catch((error: unknown) => failures.push(error));
      puts++;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const all = Promise.all([
    putting(one, handle),
    putting(one, "keyvalue"),
    putting(one, handle.id),
    putting(two, "keyvalue"),
    putting(two, handle.id),
  ]);
  const settled = async () => {
    const before = puts;
    await until(() => puts > before + 50, patience);
  };
  await settled();
  await one.swapProvider(handle, undefined, { toHost: two.id, trialMs: 0 });
  await settled();
  await two.swapProvider("keyvalue", undefined, { toHost: one.id, trialMs: 0 });
  await settled();
  over = true;
  await all;
  assert.deepEqual(failures, []);
});

test("one that fails its trial on the other host gives way, with what it was given", { skip }, async () => {
  await using hosts = await Hosts.start(3);
  const [one, two] = hosts.all as [Host, Host, Host];
  const counting = new TwoSides(await counters(hosts.all, "builtin:keyvalue-memory"));
  await counting.more();
  let trial = false;
  const swapping = one.swapProvider("keyvalue", "memory", {
    copyState: true,
    trialMs: 600_000,
    toHost: two.name,
    onStep: ({ step }) => (trial ||= step === "trial"),
  });
  await until(() => trial, patience);
  await counting.more();
  const [{ spec }] = two.wanted.providers.values() as unknown as [{ spec: { id: string } }];
  two.swaps.hear({ id: spec.id, news: "failing", reason: "it was told to" });
  const outcome = await swapping;
  assert.deepEqual([outcome.outcome, outcome.reason, outcome.host], ["returned", "it was told to", undefined]);
  assert.deepEqual([only(one), only(two)], [["builtin:keyvalue-memory"], []]);
  await counting.more();
  await counting.exact();
});

test("a host that is gone on trial leaves the old provider in its place", { skip }, async () => {
  await using hosts = await Hosts.start(2);
  const [one, two] = hosts.all as [Host, Host];
  const actor = await one.startActor(edgeActor());
  await one.link(actor, await one.startProvider(named("old")));
  let trial = false;
  const swapping = one.swapProvider("keyvalue", "memory", {
    trialMs: 600_000,
    toHost: two.name,
    onStep: ({ step }) => (trial ||= step === "trial"),
  });
  await until(() => trial, patience);
  assert.notEqual(text(await one.call(actor, "Call", get)), "old");
  await two.member?.disappear();
  const outcome = await swapping;
  assert.equal(outcome.outcome, "returned");
  assert.match(outcome.reason ?? "", new RegExp(`${two.name} does not answer`));
  assert.equal(text(await one.call(actor, "Call", get)), "old");
});

test("calls that a host sends to where a provider was are answered where it is", { skip }, async () => {
  await using hosts = await Hosts.start(3);
  const [one, two, three] = hosts.all as [Host, Host, Host];
  const sides = await counters([one, three], "builtin:keyvalue-memory");
  const [, actor] = sides[1]!;
  // It hears nothing of the move: neither of hosts nor of links.
  const before = three.fleet.caller.tables.peers.get(one.id)!;
  three.links.close();
  const outcome = await one.swapProvider("keyvalue", "memory", { ...copied, toHost: two.name });
  await three.fleet.apply({ type: "put-peer", peer: before });
  await three.fleet.apply({ type: "drop-peer", host: two.id });
  assert.equal(outcome.outcome, "swapped");
  const reply = await three.call(
    actor,
    "Call",
    calling(contract, "KeyValue.Increment", pack({ key: "count", value: 1 })),
  );
  assert.equal(unpack(reply), 1);
});

test(
  "a swap to another host that cannot keep its promise is refused with the reason, and nothing changes",
  { skip },
  async () => {
    await using hosts = await Hosts.start(2);
    const [one, two] = hosts.all as [Host, Host];
    const own = await one.startActor(edgeActor({ name: "own" }), { env: { colour: "red" } });
    const actor = await one.startActor(edgeActor());
    const store = await one.startProvider(named("old"));
    await one.link(actor, store);
    const to = (next: Provider | string | undefined, more: SwapOptions = {}) =>
      one.swapProvider(store, next, { trialMs: 0, toHost: two.name, ...more });
    await assert.rejects(to(undefined), { code: "SWAP_REFUSED", message: /name what shall run there/ });
    await assert.rejects(to(named("other")), { code: "SWAP_REFUSED", message: /an object cannot leave its process/ });
    await assert.rejects(to("memory", { copyState: true }), { code: "SWAP_REFUSED", message: /cannot be copied/ });
    await assert.rejects(to("memory", { toHost: "nobody" }), { code: "HOST_ABSENT" });
    await assert.rejects(to("builtin:httpserver"), { code: "SWAP_REFUSED", message: /not wasmcloud:keyvalue/ });
    await two.startProvider("builtin:keyvalue-memory");
    await assert.rejects(to("memory"), { code: "PROVIDER_CONFLICT" });
    await one.link(own, store);
    await assert.rejects(to("memory"), { code: "SWAP_REFUSED", message: /configuration of its own/ });
    const web = await one.startProvider("builtin:httpserver");
    await assert.rejects(one.swapProvider(web, undefined, { toHost: two.name }), {
      code: "SWAP_REFUSED",
      message: /sockets are this host's/,
    });
    await using alone = await startHost({ logLevel: "silent" });
    const lonely = await alone.startProvider("builtin:keyvalue-memory");
    await assert.rejects(alone.swapProvider(lonely, "memory", { toHost: two.name }), {
      code: "SWAP_REFUSED",
      message: /in no lattice/,
    });
    assert.equal(text(await one.call(actor, "Call", get)), "old");
    assert.deepEqual([two.fleet.objects.size, only(two)], [0, ["builtin:keyvalue-memory"]]);
  },
);

test("a host that starts a provider too slowly keeps nothing of it", { skip }, async () => {
  await using hosts = await Hosts.start(2);
  const [one, two] = hosts.all as [Host, Host];
  const request = {
    id: "slow",
    from: one.id,
    name: "old",
    key: KeyPair.generate("service").publicKey,
    contractId: contract,
    linkName: "default",
    reference: "memory",
    config: {},
    annotations: {},
    links: [],
  };
  const staging = two.swaps.guests.stage(request);
  await two.swaps.guests.end("slow", "old", 0);
  await assert.rejects(staging, { code: "STOPPED" });
  assert.equal(two.fleet.caller.tables.providers.size, 0);
  await assert.rejects(two.swaps.guests.take("slow", undefined), { code: "REQUEST_INVALID" });
});
