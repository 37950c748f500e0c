import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MemoryStore,
  type Provider,
  type StoreEntry,
  keyvalueProvider,
  memoryKeyvalue,
} from "../../capabilities/index.ts";
import { bytes, fakeCall, fakeLink, hex } from "../support/capabilities.ts";

async function increment(provider: Provider, link = fakeLink()): Promise<string> {
  return hex(
    await provider.handle(fakeCall("E4", "KeyValue.Increment", bytes("82a36b6579a26b31a576616c756501"), { link })),
  );
}

test("links with prefixes of their own count apart, those with one prefix together", async () => {
  const provider = memoryKeyvalue();
  const [a, b, c] = [
    fakeLink({ prefix: "a:" }, { name: "one" }),
    fakeLink({ PREFIX: "b:" }, { name: "two" }),
    fakeLink({ Prefix: "a:" }, { name: "three" }),
  ];
  for (const link of [a, b, c]) await provider.putLink(link);
  assert.equal(await increment(provider, a), "01");
  assert.equal(await increment(provider, b), "01");
  assert.equal(await increment(provider, c), "02");
  assert.equal(provider.store.get("a:k1"), "2");
  assert.equal(provider.storeName(a), provider.storeName(c));
  assert.notEqual(provider.storeName(a), provider.storeName(b));
  await provider.putLink(fakeLink({}, { name: "one", revision: 2 }));
  assert.equal(await increment(provider, a), "01", "other values take effect");
});

test("every problem of a link's values is told at once, and what stood goes on", async () => {
  const provider = memoryKeyvalue();
  await provider.putLink(fakeLink({ prefix: "a:" }));
  const bad = fakeLink({ prefix: "x".repeat(300), Prefix: "y", url: "hunter2" }, { revision: 2 });
  await assert.rejects(provider.putLink(bad), ({ code, message }: Error & { code: string }) => {
    assert.equal(code, "LINK_VALUES_INVALID");
    assert.match(message, /prefix has 300 characters/);
    assert.match(message, /given twice/);
    assert.doesNotMatch(message, /hunter2/);
    return true;
  });
  await increment(provider);
  assert.equal(provider.store.get("a:k1"), "1");
});

test("a copy between providers carries every entry of a link, and only those", async () => {
  const from = memoryKeyvalue();
  from.store.set("other", "v", 0);
  from.store.set("a:text", "v", 100);
  from.store.increment("a:count", 7);
  from.store.listAdd("a:list", "x");
  from.store.listAdd("a:list", "x");
  from.store.setAdd("a:set", "m");
  const [out, into] = [fakeLink({ prefix: "a:" }), fakeLink({ prefix: "b:" })];
  const to = memoryKeyvalue();
  assert.equal(await from.countEntries(out), 4);
  assert.equal(await to.importEntries(from.exportEntries(out), into), 4);
  assert.equal(await to.countEntries(), 4);
  const order = (entries: StoreEntry[]) => entries.toSorted((one, two) => one.key.localeCompare(two.key));
  assert.deepEqual(
    order(await Array.fromAsync(to.exportEntries(into))),
    order(await Array.fromAsync(from.exportEntries(out))),
  );
  assert.equal(to.store.increment("b:count", 1), 8);
  assert.equal(await to.clearEntries(into), 4);
  assert.equal(await to.countEntries(), 0);
  assert.equal(await from.countEntries(), 5);
});

test("a store that cannot list its entries cannot be copied, and says so", async () => {
  const memory = new MemoryStore();
  const bare = keyvalueProvider({ ...bound(memory), name: "bare" });
  await assert.rejects(bare.countEntries(), { code: "PROVIDER_FAILED" });
});

/** The operations of a store without the rest. */
function bound(store: MemoryStore) {
  return {
    get: store.get.bind(store),
    set: store.set.bind(store),
    delete: store.delete.bind(store),
    contains: store.contains.bind(store),
    increment: store.increment.bind(store),
    listAdd: store.listAdd.bind(store),
    listRemoveFirst: store.listRemoveFirst.bind(store),
    listRemoveAll: store.listRemoveAll.bind(store),
    listRange: store.listRange.bind(store),
    setAdd: store.setAdd.bind(store),
    setRemove: store.setRemove.bind(store),
    setQuery: store.setQuery.bind(store),
    setUnion: store.setUnion.bind(store),
    setIntersection: store.setIntersection.bind(store),
  };
}
