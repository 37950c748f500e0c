import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { EventRing, type HostEvent } from "../../host/events.ts";
import { friendlyName } from "../../host/friendly-name.ts";

const numbers = (events: readonly HostEvent[]): number[] => events.map((event) => event.sequence);

test("the latest events are kept, oldest first, each with its own number", () => {
  const ring = new EventRing(3);
  for (let n = 0; n < 5; n++) ring.emit("actor_started", { n });
  assert.deepEqual(numbers(ring.recent()), [3, 4, 5]);
  assert.deepEqual(numbers(ring.recent(4)), [5]);
  assert.deepEqual(ring.recent(4)[0]?.data, { n: 4 });
  assert.equal(new Set(ring.recent().map((event) => event.id)).size, 3);
});

test("a subscriber hears each event until it leaves", () => {
  const ring = new EventRing(3);
  const heard: string[] = [];
  const leave = ring.subscribe((event) => heard.push(event.type));
  ring.emit("linkdef_set");
  leave();
  leave();
  ring.emit("linkdef_deleted");
  assert.deepEqual(heard, ["linkdef_set"]);
});

test("a watch begins with what is kept, goes on with what comes, and ends with its signal", async () => {
  const ring = new EventRing(10);
  const controller = new AbortController();
  ring.emit("host_started");
  const watch = ring.watch({ signal: controller.signal });
  assert.equal((await watch.next()).value?.type, "host_started");
  const next = watch.next();
  await turn();
  ring.emit("engine_lost", { engine: 1 });
  assert.equal((await next).value?.type, "engine_lost");
  const last = watch.next();
  await turn();
  controller.abort();
  assert.equal((await last).done, true);
});

test("a watch that falls behind sees the gap and goes on with what is kept", async () => {
  const ring = new EventRing(2);
  ring.emit("host_started");
  const watch = ring.watch();
  await watch.next();
  for (let n = 0; n < 5; n++) ring.emit("actor_scaled");
  assert.equal((await watch.next()).value?.sequence, 5);
  assert.equal((await watch.next()).value?.sequence, 6);
  await watch.return();
});

test("a key always gives the same friendly name, and different keys different ones", () => {
  assert.equal(friendlyName("NABC"), friendlyName("NABC"));
  assert.match(friendlyName(), /^[a-z]+-[a-z]+-\d{4}$/);
  const names = new Set(Array.from({ length: 1_000 }, (_, n) => friendlyName(`N${n}`)));
  assert.ok(names.size > 990, `${names.size} names of 1000 keys`);
});
