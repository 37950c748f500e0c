import assert from "node:assert/strict";
import { test } from "node:test";
import type { Link, Provider } from "../../capabilities/index.ts";
import { type Host, startHost } from "../../host/index.ts";
import { linkId, MemoryStateStore, type State } from "../../lattice/index.ts";
import { askHost, edgeActor } from "../support/edge.ts";
import { codeOf } from "../support/journey.ts";
import { until } from "../support/until.ts";

const contract = "wasmcloud:keyvalue";
const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const get = askHost(contract);
const bucket = "LATTICEDATA_default";

/** A store that answers its link's value `n` and keeps what was put to it. */
class Store implements Provider {
  readonly contractId = contract;
  readonly name = "store";
  readonly key = "VSTORE";
  readonly puts: Link[] = [];
  readonly deletes: string[] = [];
  putLink(link: Link): void {
    if (link.values["n"] === "wrong") throw new Error("n is wrong");
    this.puts.push(link);
  }
  deleteLink({ id }: Link): void {
    this.deletes.push(id);
  }
  handle({ link }: Parameters<Provider["handle"]>[0]): Uint8Array {
    return bytes(link.values["n"] ?? "none");
  }
}

/** Hosts that share links, each asking the others by their place in the list. */
async function sharing(hosts: readonly Host[], store = new MemoryStateStore()): Promise<State> {
  for (const host of hosts) {
    await host.links.join({
      state: store.open(bucket),
      putAt: (key, { actor, provider, linkName, values }) =>
        hosts.find(({ id }) => id === key)!.link(actor, provider, { linkName, values }),
    });
  }
  return store.open(bucket);
}

function entry(actor: string, n: unknown, provider = "VSTORE"): [key: string, value: Uint8Array] {
  const id = linkId({ actor, contractId: contract, linkName: "default" });
  const fields = { id, actor_id: actor, provider_id: provider, link_name: "default", contract_id: contract };
  return [`LINKDEF_${id}`, bytes(JSON.stringify({ ...fields, values: { n } }))];
}

test("of two providers with one key a link goes to the one that runs under its name", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const { id } = await host.startProvider("builtin:keyvalue-memory");
  const other = await host.startProvider("builtin:keyvalue-memory", { linkName: "other" });
  assert.equal(other.id, id);
  await host.link(actor, id);
  await host.link(actor, id, { linkName: "other" });
  const ends = [...host.wanted.links.values()].map(({ spec }) => [
    spec.linkName,
    host.wanted.provider(spec.providerId ?? "")?.spec.linkName,
  ]);
  assert.deepEqual(ends, [
    ["default", "default"],
    ["other", "other"],
  ]);
  assert.equal(await codeOf(host.link(actor, id, { linkName: "third" })), "ACTOR_AMBIGUOUS");
});

test("a link outlives its provider, and the next one of its key gets it once", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const first = new Store();
  const handle = await host.startProvider(first);
  await host.link(actor, handle, { values: { n: "1" } });
  await host.stopProvider(handle);
  assert.equal(first.deletes.length, 1);
  assert.match(text(await host.call(actor, "Call", get)), /no provider VSTORE/);
  const next = new Store();
  await host.startProvider(next);
  assert.equal(text(await host.call(actor, "Call", get)), "1");
  assert.equal(next.puts.length, 1);
});

test("a link that was put while its actor and its provider ran nowhere takes effect when they come", async () => {
  await using host = await startHost();
  const module = edgeActor();
  const state = await sharing([host]);
  await state.put(...entry(module.claims.key, "late"));
  const store = new Store();
  await host.startProvider(store);
  const actor = await host.startActor(module);
  await until(async () => text(await host.call(actor, "Call", get)) === "late");
});

test("what another host puts, changes and deletes reaches the provider once for each revision", async () => {
  await using here = await startHost();
  await using there = await startHost();
  const store = new Store();
  const module = edgeActor();
  const actor = await here.startActor(module);
  await here.startProvider(store);
  const state = await sharing([here, there]);
  await state.put(...entry(actor.id, "1"));
  await until(async () => text(await here.call(actor, "Call", get)) === "1");
  await until(() => there.wanted.links.size === 1);
  await state.put(...entry(actor.id, "2"));
  await until(async () => text(await here.call(actor, "Call", get)) === "2");
  await here.link(actor, "VSTORE", { values: { n: "3" } });
  await until(() => [...there.wanted.links.values()][0]?.spec.values["n"] === "3");
  assert.deepEqual(
    store.puts.map(({ values }) => values["n"]),
    ["1", "2", "3"],
  );
  await there.unlink(actor.id, contract);
  await until(() => here.wanted.links.size === 0);
  assert.equal(store.deletes.length, 1);
  assert.match(text(await here.call(actor, "Call", get)), /missing link definition/);
});

test("malformed entries of others are told once and hurt nobody", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  await host.startProvider(new Store());
  const state = await sharing([host]);
  const [key] = entry(actor.id, "1");
  for (const value of ["", "{", "null", "[]", '{"id":1}', JSON.stringify({ actor_id: actor.id }), "x".repeat(10_000)])
    await state.put(key, bytes(value));
  await state.put("LINKDEF_0000", entry(actor.id, "1")[1]);
  await state.put("LINKDEF_1111", bytes("{"));
  await state.put(...entry(actor.id, 5));
  await state.put("CLAIMS_M", bytes("{"));
  await state.put(...entry(actor.id, "well"));
  await until(async () => text(await host.call(actor, "Call", get)) === "well");
  assert.equal(host.wanted.links.size, 1);
});

test("values that the provider refuses leave what stood, on the host that puts them and for those written past it", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const handle = await host.startProvider(new Store());
  const state = await sharing([host]);
  await host.link(actor, handle, { values: { n: "good" } });
  await assert.rejects(host.link(actor, handle, { values: { n: "wrong" } }), /n is wrong/);
  const [key, value] = entry(actor.id, "wrong");
  assert.match(text((await state.get(key))!.value), /good/);
  await state.put(key, value);
  await until(() => host.wanted.links.size === 1);
  assert.equal(text(await host.call(actor, "Call", get)), "good");
  await state.put(...entry(actor.id, "better"));
  await until(async () => text(await host.call(actor, "Call", get)) === "better");
});

test("two hosts that write one link at once agree in the end", async () => {
  await using here = await startHost();
  await using there = await startHost();
  const module = edgeActor();
  for (const host of [here, there]) {
    await host.startActor(module);
    await host.startProvider(new Store());
  }
  await sharing([here, there]);
  const puts = Array.from({ length: 20 }, (_, n) =>
    (n % 2 === 0 ? here : there).link(module.claims.key, "VSTORE", { values: { n: String(n) } }),
  );
  await Promise.all(puts);
  const answer = async (host: Host) => text(await host.call(module.claims.key, "Call", get));
  await until(async () => (await answer(here)) === (await answer(there)));
});

test("a link that cannot be shared does not stand here either", async () => {
  await using host = await startHost();
  const actor = await host.startActor(edgeActor());
  const store = new Store();
  const handle = await host.startProvider(store);
  const state = new MemoryStateStore().open(bucket);
  await host.links.join({ state, putAt: () => Promise.reject(new Error("alone")) });
  await host.link(actor, handle, { values: { n: "1" } });
  await state.close();
  assert.equal(await codeOf(host.link(actor, handle, { values: { n: "2" } })), "STOPPED");
  assert.equal(text(await host.call(actor, "Call", get)), "1");
});
