import assert from "node:assert/strict";
import { test } from "node:test";
import { EndTimer, type Ending } from "../../lattice/nats/end-timer.ts";
import { Slots } from "../../lattice/slots.ts";
import { until } from "../support/until.ts";

interface Waiting extends Disposable {
  readonly ended: readonly number[];
  readonly early: readonly number[];
  readonly begin: (number: number, ms: number) => void;
}

/** Waits by number, each of which tells that its time was over, and when. */
function waiting(): Waiting {
  const waits = new Slots<Ending>();
  const timer = new EndTimer(waits);
  const ended: number[] = [];
  const early: number[] = [];
  const begin = (number: number, ms: number): void => {
    const now = performance.now();
    const deadline = now + ms;
    const late = (): void => {
      waits.take(place);
      if (waits.size === 0) timer.idle();
      ended.push(number);
      if (performance.now() < deadline - 1) early.push(number);
    };
    const place = waits.add({ deadline, late });
    timer.begun(deadline, now);
  };
  return { ended, early, begin, [Symbol.dispose]: () => timer.idle() };
}

test("each ends at its own time, in whatever order they began, and none before", async () => {
  using all = waiting();
  const { ended, early, begin } = all;
  begin(1, 60_000);
  begin(2, 900);
  begin(3, 20);
  begin(4, 1_500);
  begin(5, 450);
  await until(() => ended.length === 4);
  assert.deepEqual([ended, early], [[3, 5, 2, 4], []]);
});

test("who begins when all others have ended is not forgotten, nor who waits longer than a timer can", async () => {
  using all = waiting();
  const { ended, begin } = all;
  begin(1, 10);
  await until(() => ended.length === 1);
  begin(2, 2 ** 40);
  begin(3, 10);
  await until(() => ended.length === 2);
  begin(4, 10);
  await until(() => ended.length === 3);
  assert.deepEqual(ended, [1, 3, 4]);
});
