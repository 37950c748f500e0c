import assert from "node:assert/strict";
import { test } from "node:test";
import { EndTimer, type Ending } from "../../lattice/nats/end-timer.ts";
import { until } from "../support/until.ts";

interface Waiting extends Disposable {
  readonly waits: Map<number, Ending>;
  readonly ended: readonly number[];
  readonly early: readonly number[];
  readonly begin: (number: number, ms: number) => void;
}

/** Waits by number, each of which tells that its time was over, and when. */
function waiting(): Waiting {
  const waits = new Map<number, Ending>();
  const timer = new EndTimer(waits);
  const ended: number[] = [];
  const early: number[] = [];
  const begin = (number: number, ms: number): void => {
    const now = performance.now();
    const deadline = now + ms;
    const late = (): void => {
      waits.delete(number);
      if (waits.size === 0) timer.idle();
      ended.push(number);
      if (performance.now() < deadline - 1) early.push(number);
    };
    waits.set(number, { deadline, late });
    timer.begun(deadline, now);
  };
  return { waits, ended, early, begin, [Symbol.dispose]: () => timer.idle() };
}

test("each ends at its own time, in whatever order they began, and none before", async () => {
  using all = waiting();
  const { ended, early, begin } = all;
  begin(1, 60_000);
  begin(2, 200);
  begin(3, 20);
  begin(4, 400);
  begin(5, 100);
  await until(() => ended.length === 4, 15_000);
  assert.deepEqual([ended, early], [[3, 5, 2, 4], []]);
});

test("who begins when all others have ended is not forgotten, nor who waits longer than a timer can", async () => {
  using all = waiting();
  const { waits, ended, begin } = all;
  begin(1, 2 ** 40);
  begin(2, 10);
  await until(() => ended.length === 1, 15_000);
  waits.delete(1);
  begin(3, 10);
  await until(() => ended.length === 2, 15_000);
  assert.deepEqual(ended, [2, 3]);
});
