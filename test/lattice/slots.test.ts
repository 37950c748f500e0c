import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { Slots } from "../../lattice/slots.ts";

test("each is held under a number of its own until it is taken, once", () => {
  const slots = new Slots<string>();
  const [one, two] = [slots.add("one"), slots.add("two")];
  assert.notEqual(one, two);
  assert.deepEqual([slots.size, [...slots], slots.get(one)], [2, ["one", "two"], "one"]);
  assert.equal(slots.take(one), "one");
  assert.deepEqual([slots.take(one), slots.get(one), slots.size, [...slots]], [undefined, undefined, 1, ["two"]]);
  for (const foreign of [-1, 0, 1, 0.5, 2 ** 60, Number.NaN]) assert.equal(slots.take(foreign), undefined);
});

test("a number whose place was used again means nobody, however often", () => {
  const slots = new Slots<number>();
  const seen = new Set<number>();
  let last = 0;
  for (let at = 1; at <= 5_000; at++) {
    const number = slots.add(at);
    assert.ok(Number.isSafeInteger(number) && !seen.has(number));
    assert.equal(slots.get(last), undefined);
    seen.add(number);
    slots.take(number);
    last = number;
  }
});

test("a number may be given out again when that was allowed and is asked for, and means only what it holds then", () => {
  const slots = new Slots<string>();
  const first = slots.add("one");
  slots.take(first, true);
  assert.equal(slots.get(first), undefined);
  assert.equal(slots.take(first), undefined);
  const again = slots.add("two", true);
  assert.equal(again, first);
  slots.take(again);
  const third = slots.add("three", true);
  assert.notEqual(third, first);
  slots.take(third, true);
  // Who does not ask for it gets a new one.
  assert.ok(![first, third].includes(slots.add("four")));
  assert.deepEqual([slots.get(first), slots.get(third), slots.size], [undefined, undefined, 1]);
});

test("who is taken or added while all are looked at does no harm", () => {
  const slots = new Slots<number>();
  const numbers = [1, 2, 3, 4].map((value) => slots.add(value));
  const met: number[] = [];
  for (const value of slots) {
    met.push(value);
    if (value === 1) slots.take(numbers[1]!);
    if (value === 3) slots.add(5);
  }
  assert.deepEqual(met, [1, 3, 4]);
  assert.deepEqual(
    [...slots].toSorted((a, b) => a - b),
    [1, 3, 4, 5],
  );
});

/** Bytes that the young collections of a process leave behind while so many things come and go. */
function leftBehind(body: string): number {
  const path = new URL("../../lattice/slots.ts", import.meta.url).href;
  const script = `
    const { Slots } = await import(${JSON.stringify(path)});
    const held = [];
    const { add, take } = ${body};
    for (let at = 0; at < 200_000; at++) {
      held.push(add({ at, bytes: new Array(50).fill(0) }));
      if (held.length > 64) take(held.shift());
      if (at === 1_000) globalThis.gc();
      if (at === 2_000) globalThis.before = process.memoryUsage().heapUsed;
    }
    globalThis.gc({ type: "minor" });
    process.stdout.write(String(process.memoryUsage().heapUsed - globalThis.before));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", "--input-type=module", "-e", script], {
    encoding: "utf8",
  });
  assert.match(stdout, /^-?\d+$/, stderr);
  return Number(stdout);
}

test("what has come and gone is no load for the next full collection", () => {
  const left = leftBehind(
    "(() => { const s = new Slots(); return { add: (v) => s.add(v), take: (n) => s.take(n) }; })()",
  );
  assert.ok(left < 10_000_000, `${left} bytes are left`);
});
