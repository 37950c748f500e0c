import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  type KeyvalueStore,
  type SetChange,
  type StoreEntry,
  isCopyable,
  keyvalueProvider,
} from "../capabilities/index.ts";
import { isLatticeError } from "../lattice/index.ts";
import { ask } from "./fakes.ts";
import type { ServerUnderTest, SuiteOptions } from "./server.ts";
import { until } from "./until.ts";

/** A store under test: empty when given. */
export interface StoreUnderTest {
  readonly store: KeyvalueStore;
  /** Makes the store's time pass, in milliseconds; without it the suite waits. */
  readonly advance?: (ms: number) => Promise<void> | void;
  readonly close?: () => Promise<void> | void;
  /** The server behind it, where there is one. */
  readonly server?: ServerUnderTest;
}

type Advance = (ms: number) => Promise<void> | void;

/** What every store behind `wasmcloud:keyvalue` must do. Run it for each implementation. */
export function keyvalueSuite(
  name: string,
  open: () => Promise<StoreUnderTest> | StoreUnderTest,
  { skip = false }: SuiteOptions = {},
): void {
  const behaviour = (
    title: string,
    body: (store: KeyvalueStore, advance: Advance, under: StoreUnderTest) => Promise<void>,
  ): void => {
    void test(title, { skip }, async () => {
      const under = await open();
      try {
        await body(under.store, under.advance ?? delay, under);
      } finally {
        await under.close?.();
      }
    });
  };

  void describe(`${name} as a key-value store`, () => {
    behaviour("a key that was never set is absent", async (store) => {
      assert.equal(await store.get("a"), undefined);
      assert.equal(await store.contains("a"), false);
      assert.equal(await store.delete("a"), false);
    });

    behaviour("a value comes back as it was set, whatever it holds", async (store) => {
      for (const value of ["", "one", "é ☃ 🙂", "a\0b", "5", "-0", " 7 ", "x".repeat(100_000)]) {
        await store.set("a", value, 0);
        assert.equal(await store.get("a"), value);
      }
    });

    behaviour("bytes that are no UTF-8 come back as bytes", async (store) => {
      await store.set("a", Uint8Array.of(0xff, 0, 0xfe), 0);
      assert.deepEqual(Buffer.from((await store.get("a")) as Uint8Array), Buffer.of(0xff, 0, 0xfe));
    });

    behaviour("a set replaces a key of any type", async (store) => {
      await store.listAdd("a", "item");
      await store.set("a", "text", 0);
      assert.equal(await store.get("a"), "text");
      assert.equal(await store.delete("a"), true);
      assert.equal(await store.contains("a"), false);
    });

    behaviour("keys are told apart to the last character, the empty one too", async (store) => {
      for (const key of ["", "a", "A", "a:b", "a b", "é", "__proto__", "constructor"])
        await store.set(key, `of ${key}`, 0);
      for (const key of ["", "a", "A", "a:b", "a b", "é", "__proto__", "constructor"]) {
        assert.equal(await store.get(key), `of ${key}`);
      }
    });

    behaviour("a counter starts at 0, goes both ways and reads as text", async (store) => {
      assert.equal(await store.increment("c", 1), 1);
      assert.equal(await store.increment("c", 41), 42);
      assert.equal(await store.increment("c", -50), -8);
      assert.equal(await store.increment("c", 0), -8);
      assert.equal(await store.get("c"), "-8");
    });

    behaviour("a counter goes on from a number that was set as text", async (store) => {
      await store.set("c", "10", 0);
      assert.equal(await store.increment("c", 5), 15);
      await store.set("c", "-3", 0);
      assert.equal(await store.increment("c", 1), -2);
    });

    behaviour("text that is no whole number is not counted and stays", async (store) => {
      for (const text of ["", "x", "1.5", " 1", "1e3", "0x10"]) {
        await store.set("c", text, 0);
        await refuses(store.increment.bind(store, "c", 1), "WRONG_TYPE");
        assert.equal(await store.get("c"), text);
      }
    });

    behaviour("a counter never leaves 32 bits: the step is refused and nothing changes", async (store) => {
      await store.set("c", "2147483647", 0);
      await refuses(store.increment.bind(store, "c", 1), "COUNTER_OVERFLOW");
      assert.equal(await store.increment("c", 0), 2_147_483_647);
      await store.set("c", "-2147483648", 0);
      await refuses(store.increment.bind(store, "c", -1), "COUNTER_OVERFLOW");
      assert.equal(await store.increment("c", 1), -2_147_483_647);
    });

    behaviour("a thousand steps at once are all counted", async (store) => {
      await Promise.all(Array.from({ length: 1_000 }, async () => store.increment("c", 1)));
      assert.equal(await store.get("c"), "1000");
    });

    behaviour("a list keeps order and repeats", async (store) => {
      assert.equal(await store.listAdd("l", "a"), 1);
      assert.equal(await store.listAdd("l", "b"), 2);
      assert.equal(await store.listAdd("l", "a"), 3);
      assert.deepEqual(await store.listRange("l", 0, -1), ["a", "b", "a"]);
    });

    behaviour("a range counts both ends in and negative places from the end", async (store) => {
      for (const item of ["a", "b", "c", "d", "e"]) await store.listAdd("l", item);
      const rows: [number, number, string][] = [
        [0, 0, "a"],
        [0, -1, "abcde"],
        [1, 3, "bcd"],
        [-2, -1, "de"],
        [-3, 3, "cd"],
        [0, 100, "abcde"],
        [-100, 1, "ab"],
        [-100, -100, ""],
        [3, 1, ""],
        [5, 9, ""],
        [-1, 0, ""],
        [4, -1, "e"],
        [0, -5, "a"],
        [0, -6, ""],
        [-2147483648, 2147483647, "abcde"],
      ];
      for (const [start, stop, expected] of rows) {
        assert.equal((await store.listRange("l", start, stop)).join(""), expected, `${start} to ${stop}`);
      }
      assert.deepEqual(await store.listRange("absent", 0, -1), []);
    });

    behaviour("removing the first of equal items leaves the others", async (store) => {
      for (const item of ["a", "b", "a"]) await store.listAdd("l", item);
      assert.equal(await store.listRemoveFirst("l", "a"), true);
      assert.deepEqual(await store.listRange("l", 0, -1), ["b", "a"]);
      assert.equal(await store.listRemoveFirst("l", "x"), false);
      assert.equal(await store.listRemoveFirst("absent", "a"), false);
    });

    behaviour("removing all equal items answers what is left", async (store) => {
      for (const item of ["a", "b", "a", "a"]) await store.listAdd("l", item);
      assert.equal(await store.listRemoveAll("l", "a"), 1);
      assert.equal(await store.listRemoveAll("l", "a"), 1);
      assert.deepEqual(await store.listRange("l", 0, -1), ["b"]);
      assert.equal(await store.listRemoveAll("absent", "a"), 0);
    });

    behaviour("a list or set without items is no key any more", async (store) => {
      await store.listAdd("l", "a");
      await store.listRemoveFirst("l", "a");
      assert.equal(await store.contains("l"), false);
      await store.listAdd("l", "a");
      assert.equal(await store.listRemoveAll("l", "a"), 0);
      assert.equal(await store.contains("l"), false);
      await store.setAdd("s", "a");
      await store.setRemove("s", "a");
      assert.equal(await store.contains("s"), false);
      assert.equal(await store.listAdd("s", "now a list"), 1);
    });

    behaviour("a set holds each member once and says what changed", async (store) => {
      assert.deepEqual(await store.setAdd("s", "a"), { changed: 1, size: 1 } satisfies SetChange);
      assert.deepEqual(await store.setAdd("s", "b"), { changed: 1, size: 2 });
      assert.deepEqual(await store.setAdd("s", "a"), { changed: 0, size: 2 });
      assert.deepEqual(await store.setRemove("s", "a"), { changed: 1, size: 1 });
      assert.deepEqual(await store.setRemove("s", "a"), { changed: 0, size: 1 });
      assert.deepEqual(await store.setRemove("absent", "a"), { changed: 0, size: 0 });
      assert.deepEqual(await store.setQuery("s"), ["b"]);
      assert.deepEqual(await store.setQuery("absent"), []);
    });

    behaviour("union and intersection read absent sets as empty", async (store) => {
      for (const member of ["a", "b", "c"]) await store.setAdd("s1", member);
      for (const member of ["b", "c", "d"]) await store.setAdd("s2", member);
      assert.deepEqual((await store.setUnion(["s1", "s2"])).toSorted(), ["a", "b", "c", "d"]);
      assert.deepEqual((await store.setUnion(["s1", "absent"])).toSorted(), ["a", "b", "c"]);
      assert.deepEqual((await store.setIntersection(["s1", "s2"])).toSorted(), ["b", "c"]);
      assert.deepEqual(await store.setIntersection(["s1", "absent"]), []);
      assert.deepEqual(await store.setIntersection(["absent", "s1"]), []);
      assert.deepEqual((await store.setIntersection(["s1"])).toSorted(), ["a", "b", "c"]);
      assert.deepEqual(await store.setUnion([]), []);
      assert.deepEqual(await store.setIntersection([]), []);
    });

    behaviour("an operation that does not fit what the key holds is refused and changes nothing", async (store) => {
      await store.set("value", "v", 0);
      await store.listAdd("list", "i");
      await store.setAdd("set", "m");
      const misfits: [string, () => unknown][] = [
        ["get of a list", () => store.get("list")],
        ["get of a set", () => store.get("set")],
        ["increment of a list", () => store.increment("list", 1)],
        ["increment of a set", () => store.increment("set", 1)],
        ["list add to a value", () => store.listAdd("value", "x")],
        ["list add to a set", () => store.listAdd("set", "x")],
        ["list range of a value", () => store.listRange("value", 0, -1)],
        ["list remove from a set", () => store.listRemoveFirst("set", "m")],
        ["list remove all from a value", () => store.listRemoveAll("value", "v")],
        ["set add to a list", () => store.setAdd("list", "x")],
        ["set remove from a value", () => store.setRemove("value", "v")],
        ["set query of a list", () => store.setQuery("list")],
        ["union with a list", () => store.setUnion(["set", "list"])],
        ["intersection with a value", () => store.setIntersection(["set", "value"])],
      ];
      for (const [title, misfit] of misfits) await refuses(misfit, "WRONG_TYPE", title);
      assert.equal(await store.get("value"), "v");
      assert.deepEqual(await store.listRange("list", 0, -1), ["i"]);
      assert.deepEqual(await store.setQuery("set"), ["m"]);
    });

    behaviour("delete takes a key of any type", async (store) => {
      await store.listAdd("l", "a");
      await store.setAdd("s", "a");
      await store.increment("c", 1);
      for (const key of ["l", "s", "c"]) assert.equal(await store.delete(key), true, key);
      for (const key of ["l", "s", "c"]) assert.equal(await store.contains(key), false, key);
    });

    behaviour("a value expires after its seconds and not before", async (store, advance) => {
      await store.set("a", "v", 5);
      await advance(1_000);
      assert.equal(await store.get("a"), "v");
      await advance(4_200);
      assert.equal(await store.get("a"), undefined);
      assert.equal(await store.contains("a"), false);
      assert.equal(await store.delete("a"), false);
    });

    behaviour("setting a key anew ends its old expiry; counting keeps it", async (store, advance) => {
      await store.set("kept", "1", 4);
      await store.set("kept", "2", 0);
      await store.set("counted", "1", 4);
      assert.equal(await store.increment("counted", 1), 2);
      await advance(4_300);
      assert.equal(await store.get("kept"), "2");
      assert.equal(await store.get("counted"), undefined);
      assert.equal(await store.increment("counted", 1), 1);
    });

    behaviour("an expired key may come back as another type", async (store, advance) => {
      await store.set("a", "v", 1);
      await advance(1_300);
      assert.equal(await store.listAdd("a", "x"), 1);
      assert.deepEqual(await store.listRange("a", 0, -1), ["x"]);
    });

    behaviour("sixty-four callers who count together come to the exact sum", async (store) => {
      const sums = await Promise.all(
        Array.from({ length: 64 }, async () => {
          const own: number[] = [];
          for (let i = 0; i < 10; i++) own.push(await store.increment("c", 1));
          return own;
        }),
      );
      assert.equal(new Set(sums.flat()).size, 640, "each step has a sum of its own");
      assert.equal(await store.get("c"), "640");
    });

    behaviour("callers who add to one list or set at once lose nothing", async (store) => {
      const items = Array.from({ length: 64 }, (_, i) => `item ${i}`);
      await Promise.all(items.map(async (item) => store.listAdd("l", item)));
      await Promise.all(items.map(async (item) => store.setAdd("s", item)));
      assert.deepEqual((await store.listRange("l", 0, -1)).toSorted(), items.toSorted());
      assert.deepEqual((await store.setQuery("s")).toSorted(), items.toSorted());
    });

    behaviour("a value of a megabyte comes back whole", async (store) => {
      const large = "0123456789".repeat(100_000);
      await store.set("a", large, 0);
      assert.equal((await store.get("a")) === large, true);
      const bytes = Buffer.alloc(1_000_000, 0xff);
      await store.set("a", bytes, 0);
      assert.equal(Buffer.compare((await store.get("a")) as Uint8Array, bytes), 0);
    });

    behaviour("answers of calls made at once come in the callers' own order", async (store) => {
      const answers = await Promise.all([
        store.set("a", "1", 0),
        store.get("a"),
        store.set("a", "2", 0),
        store.get("a"),
        store.delete("a"),
        store.get("a"),
      ]);
      assert.deepEqual(answers, [undefined, "1", undefined, "2", true, undefined]);
    });

    behaviour("every entry can be listed, counted, cleared by prefix and put back as it was", async (store) => {
      if (!isCopyable(store)) return;
      await store.set("a:text", "v", 0);
      await store.set("a:bytes", Uint8Array.of(0xff, 0), 0);
      await store.set("a:*[soon", "v", 3_600);
      await store.increment("a:count", 7);
      for (const item of ["x", "y", "x"]) await store.listAdd("a:list", item);
      for (const member of ["m", "n"]) await store.setAdd("a:set", member);
      await store.set("b:other", "v", 0);
      const list = async (prefix: string) =>
        (await Array.fromAsync(store.entries(prefix))).toSorted((one, two) => (one.key < two.key ? -1 : 1));
      const entries = await list("a:");
      assert.deepEqual(
        entries.map(({ key, kind }) => `${key} ${kind}`),
        ["a:*[soon value", "a:bytes value", "a:count value", "a:list list", "a:set set", "a:text value"],
      );
      assert.equal(await store.count("a:"), 6);
      assert.equal(await store.count(""), 7);
      assert.deepEqual(
        (await list("a:*[")).map(({ key }) => key),
        ["a:*[soon"],
        "a prefix is no pattern",
      );
      assert.equal(await store.clear("a:"), 6);
      assert.equal(await store.contains("a:list"), false);
      assert.equal(await store.get("b:other"), "v");
      await store.set("a:set", "replaced", 0);
      for (const entry of entries) await store.load(entry);
      const again = await list("a:");
      const plain = (all: StoreEntry[]) =>
        all.map((entry) => ({
          ...entry,
          ...(entry.kind === "set" && { items: entry.items.toSorted() }),
          ...(entry.kind === "value" && { value: Buffer.from(entry.value) }),
          expiresAt: undefined,
        }));
      assert.deepEqual(plain(again), plain(entries));
      const [soon, before] = [again[0]?.expiresAt ?? 0, entries[0]?.expiresAt ?? 0];
      assert.ok(Math.abs(soon - before) < 10_000, `${soon} is about ${before}`);
      assert.equal(await store.increment("a:count", 1), 8);
      assert.deepEqual(await store.listRange("a:list", 0, -1), ["x", "y", "x"]);
      assert.equal(await store.listAdd("a:list", "z"), 4);
    });

    behaviour(
      "while its server is away calls fail at once with its name, and go on when it is back",
      async (store, _, { server }) => {
        if (!server) return;
        await store.set("a", "v", 0);
        assert.deepEqual(await store.health?.(), { healthy: true });
        await server.kill();
        await until(async () => !(await store.health!()).healthy);
        const attempts = [() => store.get("a"), () => store.increment("c", 1), () => store.setUnion(["s"])];
        for (const attempt of attempts) await refuses(attempt, "STORE_UNAVAILABLE");
        await server.start();
        await until(async () => (await store.health!()).healthy);
        await store.set("a", "v", 0);
        assert.equal(await store.get("a"), "v");
        assert.equal(await store.increment("back", 1), 1);
      },
    );

    behaviour(
      "every call in flight ends when the server goes, and none is done twice",
      async (store, _, { server }) => {
        if (!server) return;
        await store.increment("c", 1);
        const calls = Array.from({ length: 200 }, async () => store.increment("c", 1));
        const settled = Promise.allSettled(calls);
        await server.kill();
        const sums: number[] = [];
        for (const outcome of await settled) {
          if (outcome.status === "fulfilled") sums.push(outcome.value);
          else assert.equal(isLatticeError(outcome.reason) && outcome.reason.code, "STORE_UNAVAILABLE");
        }
        assert.equal(new Set(sums).size, sums.length);
        await server.start();
        await until(async () => (await store.health!()).healthy);
      },
    );

    behaviour("the same key is the same thing to actors of every era", async (store) => {
      const provider = keyvalueProvider(store);
      assert.equal(await ask(provider, "E0", "Add", "0a026b31 1005"), "0805");
      assert.equal(await ask(provider, "E1", "Add", "92a26b3101"), "9106");
      assert.equal(await ask(provider, "E2", "Add", "82a36b6579a26b31a576616c756501"), "81a576616c756507");
      assert.equal(await ask(provider, "E3", "Get", "81a36b6579a26b31"), "82a576616c7565a137a6657869737473c3");
      assert.equal(await ask(provider, "E4", "KeyValue.Increment", "82a36b6579a26b31a576616c756501"), "08");
    });
  });
}

async function refuses(attempt: () => unknown, code: string, title?: string): Promise<void> {
  try {
    await attempt();
  } catch (error) {
    assert.ok(isLatticeError(error), `${title ?? code}: ${String(error)}`);
    assert.equal(error.code, code, title ?? code);
    return;
  }
  assert.fail(`${title ?? "the operation"} was not refused`);
}
