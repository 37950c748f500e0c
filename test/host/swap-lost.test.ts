/** What a swap says of calls that failed because of it, those of other hosts too. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { pack } from "msgpackr";
import { memoryKeyvalue } from "../../capabilities/index.ts";
import { type ActorHandle, type Host, type HostOptions, KeyPair, type Provider } from "../../index.ts";
import { Dispatch } from "../../host/dispatch.ts";
import { ProviderDesk } from "../../host/provider-desk.ts";
import { targetOfLink } from "../../host/remote/entities.ts";
import { fail, remoteInvocation } from "../../lattice/index.ts";
import { calling } from "../support/actors.ts";
import { edgeActor } from "../support/edge.ts";
import { natsSkip, NatsServer } from "../support/nats-server.ts";
import { twoHosts } from "../support/swapped-archives.ts";
import { until } from "../support/until.ts";

import { FakeWorld } from "./fake-tables.ts";

const contract = "wasmcloud:keyvalue";
const skip = natsSkip();
const patience = 60_000;
let server: NatsServer;
let lattices = 0;

before(async () => {
  if (skip === false) server = await NatsServer.start();
});
after(() => server?.[Symbol.asyncDispose]());

const options = (more: HostOptions = {}): HostOptions => ({
  nats: server.url,
  lattice: `lost-${++lattices}`,
  logLevel: "silent",
  ...more,
});

const get = calling(contract, "KeyValue.Get", pack({ key: "a" }));
const increment = calling(contract, "KeyValue.Increment", pack({ key: "a", value: 1 }));
const ask = async (host: Host, actor: ActorHandle, timeoutMs = patience) =>
  Buffer.from(await host.call(actor, "Call", get, { timeoutMs })).toString("latin1");

/** A store that takes a copy when it is told to, or fails then. */
class Slow {
  readonly copying = Promise.withResolvers<void>();
  readonly answer = Promise.withResolvers<number>();
  readonly provider: Provider = Object.defineProperties(memoryKeyvalue(), {
    key: { value: KeyPair.generate("service").publicKey },
    importEntries: {
      value: () => {
        this.copying.resolve();
        return this.answer.promise;
      },
    },
  });
}

for (const rpc of ["session", "wasmcloud"] as const) {
  test(
    `calls of another host that give up while a copy is made are lost, those that wait are not (${rpc})`,
    { skip },
    async () => {
      const limits = { rpcTimeoutMs: 2_000 };
      await using hosts = await twoHosts(() => memoryKeyvalue(), {}, options({ rpc, limits }));
      const { one, two, actor } = hosts;
      const near = await one.startActor(edgeActor({ name: "near" }));
      await one.link(near, contract);
      // Both hosts have agreed on how they talk.
      await until(async () => !(await ask(two, actor)).startsWith("error: "), patience);
      for (const outcome of ["swapped", "failed"] as const) {
        const slow = new Slow();
        // Something must be there to be copied.
        await one.call(near, "Call", increment);
        const swapping = one.swapProvider(contract, slow.provider, { copyState: true, acceptPause: true, trialMs: 0 });
        swapping.catch(() => {});
        await slow.copying.promise;
        const waiting = ask(one, near);
        const refused = await Promise.all(Array.from({ length: 4 }, () => ask(two, actor)));
        for (const answer of refused) assert.match(answer, /^error: /);
        // The host that holds them gives up a little later than those who ask.
        await until(async () => (await refusedAt(one)) === 4, patience);
        if (outcome === "swapped") slow.answer.resolve(1);
        else slow.answer.reject(new Error("the disk is full"));
        if (outcome === "swapped") assert.equal((await swapping).lost, 4);
        else await assert.rejects(swapping, { code: "SWAP_REFUSED" });
        const [ended] = one.events
          .recent()
          .filter(({ type }) => type === (outcome === "swapped" ? "swapped" : "swap_failed"));
        assert.equal(ended?.data["lost"], 4);
        assert.doesNotMatch(await waiting, /^error: /);
        assert.doesNotMatch(await ask(two, actor), /^error: /);
      }
    },
  );
}

/** Calls that the provider of a host has refused, as its engines tell. */
async function refusedAt(host: Host): Promise<number> {
  const [id] = [...host.wanted.providers.keys()];
  const figures = await host.fleet.ask<"figures">({ type: "figures", id: id! });
  return figures.reduce((sum, { refused }) => sum + refused, 0);
}

test("calls of other hosts that are sent on to where a provider went and are not answered there count as refused", async () => {
  const world = new FakeWorld();
  const { tables } = world;
  const { spec } = world.provider({ contractId: contract, name: "store", handle: () => new Uint8Array() });
  const actor = world.actor({ key: "M-one", name: "one", claims: [contract] });
  const link = world.link(actor, tables.providers.get(spec.id)!);
  tables.give(spec, { key: spec.key, host: "N-there" });
  tables.links.set(link.spec.id, { ...link, provider: undefined });
  tables.changed();
  const dispatch = new Dispatch({
    tables,
    hopLimit: 4,
    payloadBytes: 1_000,
    strict: false,
    policy: undefined,
    aroundActor: undefined,
    aroundProvider: undefined,
    onUnclaimed: () => {},
  });
  let problem: Error = fail("HOST_LOST", "N-there");
  dispatch.elsewhere = {
    hasRoom: () => false,
    runsProvider: () => true,
    askActor: (_invocation, { failed }) => failed(problem),
    askProvider: (_invocation, _link, { failed }) => failed(problem),
  };
  const refused = async () => {
    const figures = await new ProviderDesk(tables).ask({ type: "figures", id: spec.id });
    return figures?.answer === "figures" ? figures.refused : undefined;
  };
  const call = async () => {
    const target = { kind: "contract", contractId: contract, linkName: "default" } as const;
    const end = performance.now() + patience;
    await dispatch.invoke(remoteInvocation("N-late", actor.origin, target, "Get", new Uint8Array(), end, 0, undefined));
  };
  await assert.rejects(call(), { code: "HOST_LOST" });
  assert.equal(await refused(), 1);
  problem = fail("OBJECT_ABSENT", "tea", "pot");
  await assert.rejects(call(), { code: "OBJECT_ABSENT" });
  assert.equal(await refused(), 1, "an answer is an answer");
  tables.takeBack(spec);
  assert.equal(await refused(), 0, "it runs here again");
});

test("a call by the name of a provider that nobody knows, over a link that leads to another, counts as refused there", () => {
  const world = new FakeWorld();
  const actor = world.actor({ key: "M-one", name: "one", claims: [contract] });
  const row = world.provider({ contractId: contract, name: "store", handle: () => new Uint8Array() });
  world.link(actor, row);
  const meant = (publicKey: string) => ({ publicKey, contractId: contract, linkName: "default" });
  assert.equal(targetOfLink("M-one", meant(row.spec.key), world.tables).kind, "contract");
  assert.equal(row.refused, 0);
  for (const caller of ["M-one", "M-stranger"])
    assert.throws(() => targetOfLink(caller, meant("V-of-before"), world.tables), { code: "LINK_ABSENT" });
  assert.equal(row.refused, 1, "strangers are no part of a swap");
});
