import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as check, asyncProperty, boolean, integer, nat, record } from "../support/fast-check.ts";
import { type CallSite, Census, type GuestCall, instanceLimit } from "../../actors/index.ts";
import { corpusGuest, guestBytes } from "../support/guest-corpus.ts";
import { assemble, echoText, guestText, hostile, prepared, relayText, startWorld, textOf } from "../support/guests.ts";
import { until } from "../support/until.ts";

const echo = prepared(assemble(echoText), "echo");
const edge = prepared(guestBytes(corpusGuest("edge")), "edge");
const relay = prepared(assemble(relayText), "relay");

/** Once round the event loop: sockets and timers have had their turn. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A host that answers `Relay` when told to, with the payload it was given. */
function heldAnswers() {
  const held: { readonly payload: string; readonly answer: () => void; readonly refuse: (why: string) => void }[] = [];
  return {
    held,
    hostCall: (_site: CallSite, payload: Uint8Array) =>
      new Promise<Uint8Array>((resolve, reject) => {
        const copy = payload.slice();
        held.push({
          payload: textOf(copy),
          answer: () => resolve(copy),
          refuse: (why) => reject(new Error(why)),
        });
      }),
  };
}

void test("calls that never wait are all served by one instance", async () => {
  await using world = startWorld();
  const guest = world.pool(echo);
  const replies = await Promise.all(Array.from({ length: 500 }, (_, i) => guest.call("Op", `call ${i}`)));
  replies.forEach((reply, i) => assert.equal(textOf(reply), `call ${i}`));
  assert.equal(guest.pool.stats().instances, 1);
  assert.equal(guest.pool.stats().calls, 500);
});

void test("the pool grows while its instances wait, up to the limit, and the rest queues", async () => {
  await using world = startWorld();
  const { held, hostCall } = heldAnswers();
  const guest = world.pool(relay, { hostCall, limits: { instances: 3 } });
  const calls = Array.from({ length: 5 }, (_, i) => guest.call("Op", `${i}`));
  await until(() => held.length === 3);
  const { instances, busy, waiting } = guest.pool.stats();
  assert.deepEqual({ instances, busy, waiting }, { instances: 3, busy: 3, waiting: 2 });
  assert.equal(world.census.total, 3);
  for (let i = 0; i < 5; i++) (await until(() => held[i])).answer();
  assert.deepEqual((await Promise.all(calls)).map(textOf), ["0", "1", "2", "3", "4"]);
});

void test("a call over the bound of the queue is refused at once and disturbs no other", async () => {
  await using world = startWorld();
  const { held, hostCall } = heldAnswers();
  const guest = world.pool(relay, { hostCall, limits: { instances: 1, queue: 2 } });
  const calls = [guest.call("Op", "a"), guest.call("Op", "b"), guest.call("Op", "c")];
  await assert.rejects(guest.call("Op", "d"), {
    code: "QUEUE_FULL",
    message: /relay is busy and \d calls already wait/,
  });
  for (let i = 0; i < 3; i++) (await until(() => held[i])).answer();
  assert.deepEqual((await Promise.all(calls)).map(textOf), ["a", "b", "c"]);
});

void test("the instance used last is used first, and those that rest are released down to the minimum", async () => {
  await using world = startWorld();
  const { held, hostCall } = heldAnswers();
  const guest = world.pool(relay, { hostCall, limits: { instances: 4, minInstances: 1, idleMs: 40 } });
  const calls = Array.from({ length: 4 }, (_, i) => guest.call("Op", `${i}`));
  await until(() => held.length === 4);
  for (const { answer } of held) answer();
  await Promise.all(calls);
  assert.equal(guest.pool.stats().instances, 4);
  // One caller keeps one instance busy; the other three rest.
  await until(async () => {
    const call = guest.call("Op", "again");
    (await until(() => held[4])).answer();
    held.splice(4);
    await call;
    return guest.pool.stats().instances === 1;
  });
  await until(() => world.census.total === 1);
});

void test("a pool with minimum 0 idles to nothing and starts again with the next call", async () => {
  await using world = startWorld();
  const guest = world.pool(echo, { limits: { minInstances: 0, idleMs: 20 } });
  assert.equal(textOf(await guest.call("Op", "one")), "one");
  await until(() => guest.pool.stats().instances === 0);
  assert.equal(textOf(await guest.call("Op", "two")), "two");
});

void test("each caller gets its own reply however host calls interleave", async () => {
  await check(
    asyncProperty(
      array(record({ refused: boolean(), order: nat() }), { minLength: 1, maxLength: 40 }),
      integer({ min: 1, max: 5 }),
      async (plan, instances) => {
        await using world = startWorld();
        const { held, hostCall } = heldAnswers();
        const guest = world.pool(relay, { hostCall, limits: { instances } });
        const orderOf = (payload: string) => plan[Number(payload.slice(5))]!.order;
        const calls = plan.map((_, i) =>
          guest.call("Op", `call ${i}`).then(textOf, (error: Error) => error.message.replace(/^relay failed Op: /, "")),
        );
        // Answers what is held in the order of the plan, until every call has settled.
        const progress = { settled: false };
        const all = Promise.all(calls).finally(() => (progress.settled = true));
        while (!progress.settled) {
          held.sort((a, b) => orderOf(a.payload) - orderOf(b.payload));
          const next = held.shift();
          if (next) {
            const index = Number(next.payload.slice(5));
            if (plan[index]!.refused) next.refuse(`no ${index}`);
            else next.answer();
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
        const expected = plan.map(({ refused }, i) => (refused ? `no ${i}` : `call ${i}`));
        assert.deepEqual(await all, expected);
      },
    ),
    { numRuns: 40 },
  );
});

void test("a call whose deadline passes in the queue never runs", async () => {
  await using world = startWorld();
  const { held, hostCall } = heldAnswers();
  const guest = world.pool(relay, { hostCall, limits: { instances: 1 } });
  const first = guest.call("Op", "first");
  const late = guest.call("Op", "late", { deadline: performance.now() + 30 });
  await assert.rejects(late, { code: "DEADLINE_EXCEEDED", message: /Op of relay did not answer in \d+ ms/ });
  held[0]!.answer();
  assert.equal(textOf(await first), "first");
  const next = guest.call("Op", "next");
  await until(() => held.length === 2);
  assert.equal(held[1]!.payload, "next");
  held[1]!.answer();
  await next;
});

void test("a deadline ends a call that waits for the host, and the late answer is dropped", async () => {
  await using world = startWorld();
  const { held, hostCall } = heldAnswers();
  const guest = world.pool(relay, { hostCall });
  await assert.rejects(guest.call("Op", "slow", { deadline: performance.now() + 1_000 }), {
    code: "DEADLINE_EXCEEDED",
  });
  await until(() => world.census.total === 0);
  held[0]!.answer();
  const next = guest.call("Op", "next");
  (await until(() => held[1])).answer();
  assert.equal(textOf(await next), "next");
  assert.equal(guest.pool.stats().traps, 1);
});

void test("a call that is late on arrival is refused without running", async () => {
  await using world = startWorld();
  const guest = world.pool(echo);
  await assert.rejects(guest.call("Op", "", { deadline: performance.now() - 1_000 }), { code: "DEADLINE_EXCEEDED" });
  assert.equal(guest.pool.stats().instances, 0);
});

void test("a draining pool answers what it holds, refuses what comes and then stops", async () => {
  await using world = startWorld();
  const { held, hostCall } = heldAnswers();
  const guest = world.pool(relay, { hostCall, limits: { instances: 1 } });
  const calls = [guest.call("Op", "a"), guest.call("Op", "b")];
  await until(() => held.length === 1);
  let drained = false;
  const drain = guest.pool.drain(5_000).then(() => (drained = true));
  await assert.rejects(guest.call("Op", "c"), { code: "DRAINING" });
  held[0]!.answer();
  (await until(() => held[1])).answer();
  assert.deepEqual((await Promise.all(calls)).map(textOf), ["a", "b"]);
  assert.ok(await drain);
  assert.ok(drained);
  await guest.pool.stop();
  await guest.pool.stop();
  assert.equal(world.census.total, 0);
  await assert.rejects(guest.call(), { code: "STOPPED" });
});

void test("a drain gives up at its deadline, and a stop ends what is left", async () => {
  await using world = startWorld();
  const { held, hostCall } = heldAnswers();
  const guest = world.pool(relay, { hostCall, limits: { instances: 1 } });
  const calls = [guest.call("Op", "a"), guest.call("Op", "b")];
  await until(() => held.length === 1);
  await guest.pool.drain(20);
  const outcome = Promise.allSettled(calls);
  await guest.pool.stop();
  for (const each of await outcome)
    assert.equal(each.status === "rejected" && (each.reason as { code: string }).code, "STOPPED");
  assert.equal(world.census.total, 0);
});

void test("a stop while the first instance starts ends the call that waits for it", async () => {
  await using world = startWorld();
  const guest = world.pool(prepared(hostile("spin-in-_start")), { limits: { startupMs: 5_000 } });
  for (const wait of [() => undefined, turn]) {
    const pool = world.pool(prepared(hostile("spin-in-_start")), { limits: { startupMs: 5_000 } });
    const call = assert.rejects(pool.call(), { code: "STOPPED" });
    await wait();
    await pool.pool.stop();
    await call;
  }
  const warming = assert.rejects(guest.pool.warm(), { code: /STOPPED|GUEST_START_FAILED/ });
  await turn();
  await guest.pool.stop();
  await warming;
  assert.equal(world.census.total, 0);
});

void test("an actor that calls itself under load does not wait for itself", async () => {
  await using world = startWorld();
  const guest = world.pool(relay, {
    limits: { instances: 2 },
    hostCall: (_site, payload, call) => {
      if (call.hops === 3) return payload.slice();
      return guest.pool.call({ ...call, payload, hops: call.hops + 1 });
    },
  });
  const replies = await Promise.all(Array.from({ length: 30 }, (_, i) => guest.call("Op", `call ${i}`)));
  replies.forEach((reply, i) => assert.equal(textOf(reply), `call ${i}`));
  assert.ok(guest.pool.stats().instances <= 2 + 3);
});

void test("the census bounds the instances of the process, and calls wait for those there are", async () => {
  await using world = startWorld({ instances: 2 });
  const { held, hostCall } = heldAnswers();
  const guest = world.pool(relay, { hostCall });
  const calls = Array.from({ length: 3 }, (_, i) => guest.call("Op", `${i}`));
  await until(() => held.length === 2);
  assert.equal(guest.pool.stats().waiting, 1);
  await assert.rejects(world.pool(echo).call(), { code: "INSTANCE_LIMIT", message: /already holds 2 instances/ });
  for (let i = 0; i < 3; i++) (await until(() => held[i])).answer();
  assert.deepEqual((await Promise.all(calls)).map(textOf), ["0", "1", "2"]);
});

void test("an actor that calls itself where no further instance can be made is told so, long before its deadline", async () => {
  await using world = startWorld({ instances: 1 });
  const told: string[] = [];
  const guest = world.pool(relay, {
    hostCall: (_site, payload, call) => guest.pool.call({ ...call, payload, hops: call.hops + 1 }),
    onStartFailed: ({ code }) => told.push(code),
  });
  const deadline = performance.now() + 60_000;
  await assert.rejects(guest.call("Op", "", { deadline }), { message: /already holds 1 instances/ });
  assert.deepEqual(new Set(told), new Set(["INSTANCE_LIMIT"]));
  assert.equal(guest.pool.stats().traps, 0);
});

void test("chains that began before the maximum was lowered come to their end", async () => {
  await using world = startWorld();
  const { held, hostCall: hold } = heldAnswers();
  const guest = world.pool(relay, {
    limits: { instances: 6 },
    hostCall: async (site, payload, call) => {
      if (call.hops === 2) return payload.slice();
      const whole = payload.slice();
      if (call.hops === 0) await hold(site, payload);
      return guest.pool.call({ ...call, payload: whole, hops: call.hops + 1 });
    },
  });
  const calls = Array.from({ length: 6 }, (_, i) => guest.call("Op", `${i}`));
  await until(() => held.length === 6);
  guest.pool.resize({ max: 1 });
  for (const { answer } of held) answer();
  assert.deepEqual((await Promise.all(calls)).map(textOf), ["0", "1", "2", "3", "4", "5"]);
});

void test("a waiter is told once how its call ended, and never before it is submitted", async () => {
  await using world = startWorld();
  const { pool } = world.pool(edge, { limits: { instances: 1, queue: 3 } });
  const told: string[] = [];
  const submit = (operation: string, more: Partial<GuestCall> = {}) => {
    const waiter = {
      answered: (reply: Uint8Array) => void told.push(`${operation}: ${textOf(reply)}`),
      failed: (error: unknown) => void told.push(`${operation}: ${(error as { code: string }).code}`),
    };
    const payload = Buffer.from("yes");
    pool.submit(
      { operation, payload, deadline: performance.now() + 5_000, hops: 0, trace: undefined, ...more },
      waiter,
    );
  };
  submit("Echo");
  submit("Fail");
  submit("Trap");
  submit("Echo");
  assert.throws(() => submit("Echo"), { code: "QUEUE_FULL" });
  assert.throws(() => submit("Echo", { deadline: 0 }), { code: "DEADLINE_EXCEEDED" });
  assert.deepEqual(told, []);
  await until(() => told.length === 4);
  submit("Echo");
  await pool.drain(5_000);
  await turn();
  assert.deepEqual(told, ["Echo: yes", "Fail: GUEST_FAILED", "Trap: GUEST_TRAPPED", "Echo: yes", "Echo: yes"]);
  await pool.stop();
  assert.throws(() => submit("Echo"), { code: "STOPPED" });
});

void test("a census shared by threads forgets a lost one", () => {
  const first = new Census(3);
  const second = new Census(3, first.shared, 1);
  first.take();
  second.take();
  second.take();
  assert.throws(() => first.take(), { code: "INSTANCE_LIMIT" });
  first.forget(1);
  assert.equal(first.total, 1);
  assert.equal(first.own, 1);
  assert.equal(second.own, 0);
});

void test("the limit of instances follows the kernel's limit of mappings", () => {
  assert.equal(instanceLimit(65_530), 10_000);
  assert.equal(instanceLimit(262_144), 10_000);
  assert.equal(instanceLimit(32_500), 5_000);
  assert.equal(instanceLimit(100), 16);
});

void test("callers in a tight loop do not starve the event loop", async () => {
  await using world = startWorld();
  const guest = world.pool(echo);
  await guest.call();
  const progress = { running: true, calls: 0 };
  const loop = async () => {
    for (; progress.running; progress.calls++) await guest.call("Op", "x");
  };
  const loops = [loop(), loop(), loop()];
  let most = 0;
  for (let i = 0; i < 50; i++) {
    const before = progress.calls;
    await turn();
    most = Math.max(most, progress.calls - before);
  }
  progress.running = false;
  await Promise.all(loops);
  assert.ok(progress.calls > 1_000, `${progress.calls} calls`);
  // A slice of 2 ms holds some 8 000 on a fast machine.
  assert.ok(most < 40_000, `${most} calls in one turn of the event loop`);
});

void test("a guest whose host calls are answered at once by promises does not starve the event loop", async () => {
  await using world = startWorld();
  const progress = { calls: 0, over: false };
  const guest = world.pool(prepared(hostile("spin-host-calls")), {
    limits: { cpuMs: 60 },
    hostCall: () => {
      progress.calls++;
      return Promise.resolve(new Uint8Array(0));
    },
  });
  const spinning = assert.rejects(guest.call(), { code: "GUEST_CPU_EXCEEDED" }).finally(() => (progress.over = true));
  let most = 0;
  let turns = 0;
  for (; !progress.over; turns++) {
    const before = progress.calls;
    await turn();
    most = Math.max(most, progress.calls - before);
  }
  await spinning;
  assert.ok(turns > 5, `${turns} turns`);
  assert.ok(most < 20_000, `${most} host calls in one turn of the event loop`);
});

void test("an echo beside three spinning guests waits a slice or two", async () => {
  await using world = startWorld();
  const quick = world.pool(echo);
  await quick.call();
  const spin = prepared(hostile("spin"));
  const spinners = Array.from({ length: 3 }, () => world.pool(spin, { limits: { cpuMs: 200, instances: 1 } }));
  let over = false;
  const spinning = Promise.all(
    spinners.map((pool) => assert.rejects(pool.call(), { code: "GUEST_CPU_EXCEEDED" })),
  ).finally(() => (over = true));
  spinning.catch(() => {});
  const burned = () => spinners.reduce((sum, { pool }) => sum + pool.stats().cpuMs, 0);
  const waits: number[] = [];
  // CPU time of the spinners while the echo waits: unlike the clock it does not count other processes.
  while (burned() < 500 && !over) {
    const before = burned();
    await turn();
    await quick.call("Op", "beside");
    waits.push(burned() - before);
  }
  await spinning;
  waits.sort((a, b) => a - b);
  assert.ok(waits.length > 50, `${waits.length} echoes`);
  assert.ok(waits[waits.length >> 1]! < 10, `median ${waits[waits.length >> 1]!} ms`);
  assert.ok(waits.at(-5)! < 50, `nearly worst ${waits.at(-5)!} ms`);
});

void test("a guest that spins shares its thread fairly with another that spins", async () => {
  await using world = startWorld();
  const text = guestText(`
    (func (export "__guest_call") (param i32 i32) (result i32)
      (local $i i32)
      (loop $again
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 100000000))))
      (i32.const 1))`);
  const limits = { cpuMs: 5_000 };
  // A module each: V8 would run the second caller of one module in code that the first has made hot.
  const pools = [0, 1].map(() => world.pool(prepared(assemble(text)), { limits }));
  await Promise.race(pools.map((each) => each.call()));
  const [one, other] = pools.map(({ pool }) => pool.stats().cpuMs) as [number, number];
  assert.ok(Math.min(one, other) > 0.6 * Math.max(one, other), `${one} and ${other} ms when the first was done`);
});

void test("counters say what happened", async () => {
  await using world = startWorld();
  const guest = world.pool(prepared(hostile("trap")), { limits: { cpuMs: 50 } });
  await assert.rejects(guest.call());
  await assert.rejects(guest.call("", ""), { code: "OPERATION_UNKNOWN" });
  const { calls, errors, traps, busy, waiting } = guest.pool.stats();
  assert.deepEqual({ calls, errors, traps, busy, waiting }, { calls: 2, errors: 2, traps: 1, busy: 0, waiting: 0 });
  const spinner = world.pool(prepared(hostile("spin")), { limits: { cpuMs: 50 } });
  await assert.rejects(spinner.call(), { code: "GUEST_CPU_EXCEEDED" });
  const { cpuMs } = spinner.pool.stats();
  assert.ok(cpuMs > 25 && cpuMs < 400, `${cpuMs} ms`);
});

void test("calls whose deadline passes while they wait leave no room for more instances than the limit", async () => {
  await using world = startWorld();
  const { held, hostCall } = heldAnswers();
  const guest = world.pool(relay, { hostCall, limits: { instances: 1 } });
  const first = guest.call("Op", "first");
  await until(() => held.length === 1);
  const deadline = performance.now() + 20;
  const late = await Promise.allSettled([1, 2, 3].map((n) => guest.call("Op", `late ${n}`, { deadline })));
  assert.deepEqual(
    late.map((each) => each.status === "rejected" && (each.reason as { code: string }).code),
    ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"],
  );
  assert.equal(guest.pool.stats().busy, 1);
  const second = guest.call("Op", "second");
  assert.equal(guest.pool.stats().waiting, 1);
  held[0]!.answer();
  (await until(() => held[1])).answer();
  assert.deepEqual((await Promise.all([first, second])).map(textOf), ["first", "second"]);
  assert.equal(guest.pool.stats().busy, 0);
});

void test("guests that trap one after the other leave the event loop its turns", async () => {
  await using world = startWorld();
  const guest = world.pool(prepared(hostile("trap"), "trap"));
  const calls = Array.from({ length: 50 }, () => guest.call().catch((error: { code: string }) => error.code));
  let turns = 0;
  let done = false;
  const counting = (async () => {
    while (!done) {
      await turn();
      turns++;
    }
  })();
  assert.deepEqual(new Set(await Promise.all(calls)), new Set(["GUEST_TRAPPED"]));
  done = true;
  await counting;
  assert.ok(turns >= 49, `${turns} turns`);
});

void test("after a guest that has used its turn up no other of its pool begins in the same turn", async () => {
  await using world = startWorld();
  let begun = 0;
  let most = 0;
  // Says that it has begun, then answers 16 MiB again and again: the first time takes more than a slice.
  const text = `(module
    (import "wapc" "__guest_response" (func $respond (param i32 i32)))
    (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 256)
    (data (i32.const 0) "defaulttest:hostMark")
    (func (export "__guest_call") (param i32 i32) (result i32)
      (drop (call $host_call
        (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 9) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0)))
      (loop $again (call $respond (i32.const 0) (i32.const 16777216)) (br $again))
      (i32.const 1)))`;
  const guest = world.pool(prepared(assemble(text), "marker"), {
    limits: { cpuMs: 20, instances: 8 },
    hostCall: () => {
      begun++;
      return new Uint8Array(0);
    },
  });
  let done = false;
  const counting = (async () => {
    while (!done) {
      begun = 0;
      await turn();
      most = Math.max(most, begun);
    }
  })();
  await Promise.allSettled(Array.from({ length: 8 }, () => guest.call()));
  done = true;
  await counting;
  // One that was waiting for the turn, and one in place of a guest that ended in it.
  assert.ok(most >= 1 && most <= 2, `${most} began in one turn`);
});
