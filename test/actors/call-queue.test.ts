import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as check, constantFrom, integer, property, record } from "../support/fast-check.ts";
import { CallQueue } from "../../actors/call-queue.ts";

const item = (id: number, hops = 0, deadline = 1_000) => ({ id, call: { hops, deadline } });

void test("calls from outside leave in the order in which they came, however many", () => {
  const queue = new CallQueue<ReturnType<typeof item>>();
  for (let id = 0; id < 100; id++) queue.push(item(id));
  for (let id = 0; id < 60; id++) assert.equal(queue.shift()!.id, id);
  for (let id = 100; id < 150; id++) queue.push(item(id));
  for (let id = 60; id < 150; id++) assert.equal(queue.shift()!.id, id);
  assert.equal(queue.shift(), undefined);
  assert.equal(queue.length, 0);
});

void test("nested calls take turns with those from outside, the deepest first", () => {
  const queue = new CallQueue<ReturnType<typeof item>>();
  for (const each of [item(1), item(2), item(3, 1), item(4, 5), item(5, 1), item(6)]) queue.push(each);
  assert.equal(queue.deepest, 5);
  const order = Array.from({ length: 6 }, () => queue.shift()!.id);
  assert.deepEqual(order, [4, 1, 3, 2, 5, 6]);
});

void test("only calls deep enough are given when a depth is asked for", () => {
  const queue = new CallQueue<ReturnType<typeof item>>();
  queue.push(item(1));
  queue.push(item(2, 2));
  assert.equal(queue.shift(3), undefined);
  assert.equal(queue.shift(2)!.id, 2);
  assert.equal(queue.shift(1), undefined);
  assert.equal(queue.shift()!.id, 1);
});

void test("late calls leave, all others stay in order", () => {
  const queue = new CallQueue<ReturnType<typeof item>>();
  [item(1, 0, 10), item(2, 0, 99), item(3, 3, 10), item(4, 3, 99), item(5, 0, 10)].forEach((each) => queue.push(each));
  assert.deepEqual(
    queue.expired(50).map(({ id }) => id),
    [1, 5, 3],
  );
  assert.equal(queue.length, 2);
  assert.deepEqual([queue.shift()!.id, queue.shift()!.id], [4, 2]);
});

void test("whatever is pushed, shifted and expired, every call leaves exactly once", () => {
  const step = record({
    action: constantFrom("push", "push", "shift", "expire"),
    hops: integer({ min: 0, max: 40 }),
    at: integer({ min: 0, max: 20 }),
  });
  check(
    property(array(step, { maxLength: 200 }), (steps) => {
      const queue = new CallQueue<ReturnType<typeof item>>();
      const left: number[] = [];
      let pushed = 0;
      for (const { action, hops, at } of steps) {
        if (action === "push") queue.push(item(pushed++, hops, at));
        else if (action === "shift") left.push(...[queue.shift()].flatMap((each) => (each ? [each.id] : [])));
        else left.push(...queue.expired(at).map(({ id }) => id));
        assert.equal(queue.length, pushed - left.length);
      }
      left.push(...queue.clear().map(({ id }) => id));
      assert.equal(new Set(left).size, pushed);
      assert.equal(left.length, pushed);
      assert.equal(queue.length, 0);
      assert.equal(queue.deepest, 0);
    }),
  );
});
