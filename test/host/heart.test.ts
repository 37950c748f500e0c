import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { Heart } from "../../host/heart.ts";
import { until } from "../support/until.ts";

test("silence while the process hardly runs counts little: nobody was let run", async () => {
  const heart = new Heart();
  const begin = performance.now();
  let silentMs = 0;
  for (let look = 0; look < 8; look++) {
    await pause(100);
    silentMs = heart.silentMs(performance.now());
  }
  const passedMs = performance.now() - begin;
  assert.ok(silentMs > 0 && silentMs < passedMs / 2, `${silentMs} of ${passedMs} ms`);
});

test("silence while the processor is used counts in full, and ends with the next beat", async () => {
  const heart = new Heart();
  const hold = (ms: number) => {
    for (const end = performance.now() + ms; performance.now() < end;);
    return heart.silentMs(performance.now());
  };
  await until(() => hold(50) >= 400);
  Atomics.add(new Int32Array(heart.shared), 0, 1);
  assert.equal(heart.silentMs(performance.now()), 0);
  assert.ok(heart.beaten);
});

test("a watcher that was held up itself sees little of the silence meanwhile", () => {
  const heart = new Heart();
  for (const end = performance.now() + 2_000; performance.now() < end;);
  assert.ok(heart.silentMs(performance.now()) <= 500);
});
