import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "../support/fast-check.ts";
import { MemoryStore } from "../../capabilities/keyvalue-memory/store.ts";
import { Expiries } from "../../capabilities/keyvalue-memory/expiries.ts";
import type { StoreEntry } from "../../capabilities/index.ts";
import { keyvalueSuite } from "../../testing/index.ts";

keyvalueSuite("memory", () => {
  let now = 1_000;
  const store = new MemoryStore({ now: () => now });
  return { store, advance: (ms) => void (now += ms), close: () => store.close() };
});

test("the store answers at once: no promise, so no guest is suspended", () => {
  const store = new MemoryStore();
  for (const answer of [store.increment("c", 1), store.get("c"), store.listAdd("l", "x"), store.setUnion(["s"])]) {
    assert.ok(!(answer instanceof Promise));
  }
});

test("a store that is full refuses what would grow it, keeps what it has, and takes more once something went", () => {
  const store = new MemoryStore({ maxBytes: 2_000 });
  store.set("a", "x".repeat(1_500), 0);
  for (const grow of [
    () => store.set("b", "y".repeat(1_000), 0),
    () => store.set("a", "x".repeat(3_000), 0),
    () => store.listAdd("l", "y".repeat(500)),
    () => store.setAdd("s", "y".repeat(500)),
  ]) {
    assert.throws(grow, { code: "STORE_FULL" });
  }
  assert.equal((store.get("a") as string).length, 1_500);
  assert.equal(store.contains("l"), false);
  store.delete("a");
  store.set("b", "y".repeat(1_000), 0);
});

test("bytes in use return to zero whatever was put and taken away", () => {
  const text = fc.string({ maxLength: 20 });
  const key = fc.constantFrom("a", "b", "c");
  const step = fc.oneof(
    fc.tuple(fc.constant("set" as const), key, text),
    fc.tuple(fc.constant("listAdd" as const), key, text),
    fc.tuple(fc.constant("listRemoveFirst" as const), key, text),
    fc.tuple(fc.constant("listRemoveAll" as const), key, text),
    fc.tuple(fc.constant("setAdd" as const), key, text),
    fc.tuple(fc.constant("setRemove" as const), key, text),
    fc.tuple(fc.constant("increment" as const), key, text),
    fc.tuple(fc.constant("delete" as const), key, text),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = new MemoryStore();
      for (const [operation, on, value] of steps) {
        try {
          if (operation === "set") store.set(on, value, 0);
          else if (operation === "increment") store.increment(on, value.length);
          else if (operation === "delete") store.delete(on);
          else store[operation](on, value);
        } catch {
          // A misfit: nothing may have changed.
        }
      }
      for (const on of ["a", "b", "c"]) store.delete(on);
      assert.equal(store.bytes, 0);
      assert.equal(store.size, 0);
    }),
  );
});

test("every entry copied to another store is there with what is left of its time", () => {
  let now = 0;
  const from = new MemoryStore({ now: () => now });
  from.set("text", "v", 0);
  from.set("bytes", Uint8Array.of(0xff), 0);
  from.set("soon", "v", 10);
  from.set("gone", "v", 1);
  from.increment("counter", 7);
  for (const item of ["a", "b", "a"]) from.listAdd("list", item);
  for (const member of ["a", "b"]) from.setAdd("set", member);
  now = 4_000;
  const entries: StoreEntry[] = [...from.entries("")];
  assert.equal(entries.find(({ key }) => key === "soon")?.expiresAt, 10_000);
  const to = new MemoryStore({ now: () => now });
  for (const entry of entries) to.load(entry);
  assert.equal(to.size, 6);
  assert.equal(to.get("gone"), undefined);
  assert.equal(to.increment("counter", 1), 8);
  assert.deepEqual(to.listRange("list", 0, -1), ["a", "b", "a"]);
  assert.deepEqual(to.setQuery("set").toSorted(), ["a", "b"]);
  assert.equal(to.bytes > 0, true);
  now = 10_001;
  assert.equal(to.get("soon"), undefined);
  assert.equal(from.listAdd("list", "more"), 4);
  assert.equal(to.listRange("list", 0, -1).length, 3, "the copy is its own");
});

test("a sweep looks at a bounded number of keys and comes round to all of them", () => {
  const alive = new Set(["a", "b", "c", "d"]);
  const seen: string[] = [];
  const expiries = new Expiries((key) => {
    seen.push(key);
    return alive.has(key);
  });
  for (const key of alive) expiries.add(key);
  alive.delete("b");
  expiries.sweep(2);
  assert.deepEqual(seen, ["a", "b"]);
  expiries.sweep(2);
  expiries.sweep(2);
  assert.deepEqual(seen, ["a", "b", "c", "d", "a", "c"]);
  expiries.close();
});

test("expired keys that nobody asks for are swept", async (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  let now = 0;
  const store = new MemoryStore({ now: () => now });
  for (let i = 0; i < 2_500; i++) store.set(`k${i}`, "v", 1);
  now = 2_000;
  assert.equal(store.size, 2_500);
  context.mock.timers.tick(1_000);
  assert.equal(store.size, 1_500);
  context.mock.timers.tick(2_000);
  assert.equal(store.size, 0);
});
