import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStateStore, memoryState } from "../../lattice/index.ts";
import { stateSuite } from "../contract/state-suite.ts";

stateSuite("the state in process", () => {
  const store = new MemoryStateStore();
  return { open: () => store.open("bucket"), close: () => {} };
});

test("buckets of one store do not see each other", async () => {
  const store = new MemoryStateStore();
  await using one = store.open("one");
  await using two = store.open("two");
  await one.put("k", Buffer.from("1"));
  assert.equal(await two.get("k"), undefined);
});

test("a watch that throws is reported and goes on", async () => {
  const failures: unknown[] = [];
  await using state = memoryState({ onHandlerError: (error) => failures.push(error) });
  await state.put("k", Buffer.from("1"));
  await state.watch(">", () => {
    throw new Error("spilled");
  });
  assert.equal(failures.length, 1);
});
