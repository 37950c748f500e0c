import assert from "node:assert/strict";
import { test } from "node:test";
import { fail, type ErrorCode } from "../../lattice/index.ts";
import type { GuestLimits, PreparedModule } from "../../actors/index.ts";
import { collectGarbage, mappings } from "../support/garbage.ts";
import { manyFunctions, manyLocals } from "../support/generated-modules.ts";
import {
  assemble,
  echoText,
  type HostCall,
  hostile,
  prepared,
  startWorld,
  textOf,
  type World,
} from "../support/guests.ts";

/** What one hostile call is expected to come to. */
interface Case {
  readonly guest: PreparedModule;
  readonly payload?: Uint8Array;
  /** The error's code, or the reply. */
  readonly ends: ErrorCode | ((reply: Uint8Array) => void);
  readonly message?: RegExp;
  readonly limits?: Partial<GuestLimits>;
  readonly deadlineMs?: number;
  readonly hostCall?: HostCall;
  /** The instance survives. */
  readonly stays?: true;
}

/** Slice, allowance, garbage collection, the 4 ms steps of the kernel's account, and 60 MiB filled where each page is dear. */
const fairnessMs = 1_500;

const held = () => new Promise<Uint8Array>(() => undefined);
const ping: HostCall = () => Promise.resolve(new Uint8Array(0));
const limits: Partial<GuestLimits> = { cpuMs: 25, startupMs: 200 };

const guests = {
  spin: prepared(hostile("spin"), "spin"),
  hostCalls: prepared(hostile("spin-host-calls"), "spin-host-calls"),
  lengths: prepared(hostile("lengths-beyond-memory"), "lengths"),
  catchAll: prepared(hostile("catch-all"), "catch-all"),
};

const cases: Record<string, Case> = {
  "an endless loop": { guest: guests.spin, ends: "GUEST_CPU_EXCEEDED", message: /used more than 25 ms of CPU in Op/ },
  "an endless loop with an early deadline": {
    guest: guests.spin,
    ends: "DEADLINE_EXCEEDED",
    deadlineMs: 12,
    limits: { cpuMs: 2_000 },
  },
  "an endless loop in _start": {
    guest: prepared(hostile("spin-in-_start")),
    ends: "GUEST_START_FAILED",
    message: /in _start/,
  },
  "an endless loop in the start section": {
    guest: prepared(hostile("spin-in-start-section")),
    ends: "GUEST_START_FAILED",
    message: /in lattice:start/,
  },
  "an endless loop in wapc_init": { guest: prepared(hostile("spin-in-wapc_init")), ends: "GUEST_START_FAILED" },
  "endless host calls answered at once": {
    guest: guests.hostCalls,
    ends: "GUEST_CPU_EXCEEDED",
    hostCall: () => new Uint8Array(0),
  },
  "endless host calls answered later": { guest: guests.hostCalls, ends: "GUEST_CPU_EXCEEDED", hostCall: ping },
  "endless host calls that are refused": {
    guest: guests.hostCalls,
    ends: "GUEST_CPU_EXCEEDED",
    hostCall: () => {
      throw new Error("no");
    },
  },
  "endless log lines": { guest: prepared(hostile("spin-log")), ends: "GUEST_CPU_EXCEEDED" },
  "endless tail calls": { guest: prepared(hostile("spin-tail-calls")), ends: "GUEST_CPU_EXCEEDED" },
  recursion: {
    guest: prepared(hostile("recurse")),
    ends: "GUEST_TRAPPED",
    message: /stack overflow in deeper < deeper/,
  },
  "memory grown without end": {
    guest: prepared(hostile("grow-memory"), "grow", { memoryBytes: 8 * 2 ** 20 }),
    ends: (reply) => assert.equal(new DataView(reply.buffer, reply.byteOffset).getUint32(0, true), 128),
    stays: true,
  },
  "a table grown without end": {
    guest: prepared(hostile("grow-table")),
    ends: (reply) => assert.ok(new DataView(reply.buffer, reply.byteOffset).getUint32(0, true) <= 100_000),
    stays: true,
  },
  "endless fills of 60 MiB": { guest: prepared(hostile("bulk-fill")), ends: "GUEST_CPU_EXCEEDED" },
  "a trap": { guest: prepared(hostile("trap")), payload: Uint8Array.of(2), ends: "GUEST_TRAPPED" },
  "no answer, success": {
    guest: prepared(hostile("answer-nothing")),
    payload: Uint8Array.of(1),
    ends: (reply) => assert.equal(reply.length, 0),
    stays: true,
  },
  "no answer, failure": {
    guest: prepared(hostile("answer-nothing")),
    payload: Uint8Array.of(0),
    ends: "GUEST_FAILED",
    stays: true,
  },
  "two answers": {
    guest: prepared(hostile("answer-twice")),
    ends: (reply) => assert.equal(textOf(reply), "second"),
    stays: true,
  },
  "two answers and an error": {
    guest: prepared(hostile("answer-twice")),
    payload: Uint8Array.of(1),
    ends: "GUEST_FAILED",
    message: /: third$/,
    stays: true,
  },
  "16 MiB answered again and again": { guest: prepared(hostile("answer-for-ever")), ends: "GUEST_CPU_EXCEEDED" },
  ...Object.fromEntries(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((how): [string, Case] => [
      `a range beyond memory, way ${how}`,
      {
        guest: guests.lengths,
        payload: Uint8Array.of(how),
        ends: "GUEST_MISBEHAVED",
        message: /outside its memory/,
        hostCall: () => Uint8Array.of(1, 2, 3),
      },
    ]),
  ),
  "an error text of 1 GiB": { guest: prepared(hostile("error-of-1-gib")), ends: "GUEST_MISBEHAVED" },
  "an error text of 60 MiB": {
    guest: prepared(hostile("error-of-60-mib")),
    ends: "GUEST_FAILED",
    message: /^guest failed Op: x{65536}$/,
    stays: true,
  },
  "a host call held for ever": {
    guest: prepared(hostile("hold-host-call")),
    ends: "DEADLINE_EXCEEDED",
    deadlineMs: 40,
    hostCall: held,
  },
  "an exception that nobody catches": {
    guest: prepared(hostile("throw")),
    ends: "GUEST_TRAPPED",
    message: /an exception that nobody caught/,
  },
  "an endless loop that catches everything": {
    guest: guests.catchAll,
    payload: Uint8Array.of(0),
    ends: "GUEST_CPU_EXCEEDED",
  },
  "a held host call in a guest that catches everything": {
    guest: guests.catchAll,
    payload: Uint8Array.of(1),
    ends: "DEADLINE_EXCEEDED",
    deadlineMs: 40,
    hostCall: held,
  },
  "a range beyond memory in a guest that catches everything": {
    guest: guests.catchAll,
    payload: Uint8Array.of(2),
    ends: "GUEST_MISBEHAVED",
  },
  "recursion in a guest that catches everything": {
    guest: guests.catchAll,
    payload: Uint8Array.of(3),
    ends: "GUEST_TRAPPED",
  },
  "50 000 functions": {
    guest: prepared(manyFunctions(50_000)),
    ends: (reply) => assert.equal(reply.length, 0),
    stays: true,
  },
  "a megabyte of locals": { guest: prepared(manyLocals(49_000)), ends: "GUEST_TRAPPED", message: /stack overflow/ },
};

const echo = prepared(assemble(echoText), "neighbour");

/** Runs one case to its end beside a neighbour that answers all the time. */
async function suffer(
  world: World,
  { guest, payload, ends, message, deadlineMs = 5_000, stays, ...rest }: Case,
): Promise<void> {
  const neighbour = world.pool(echo);
  await neighbour.call();
  const pool = world.pool(guest, { limits: { ...limits, ...rest.limits }, hostCall: rest.hostCall });
  let answered = 0;
  let worst = 0;
  const progress = { done: false };
  const beside = (async () => {
    while (!progress.done) {
      const before = process.threadCpuUsage();
      assert.equal(textOf(await neighbour.call("Op", "still here")), "still here");
      // The wait of a client outside: through the event loop and back.
      await new Promise((resolve) => setImmediate(resolve));
      const { user, system } = process.threadCpuUsage(before);
      worst = Math.max(worst, (user + system) / 1_000);
      answered++;
    }
  })();
  const outcome = await pool.call("Op", payload, { deadline: performance.now() + deadlineMs }).then(
    (reply) => ({ reply }),
    (error: Error & { code?: string }) => ({ error }),
  );
  progress.done = true;
  await beside;
  if (typeof ends === "function") {
    assert.ok("reply" in outcome, "error" in outcome ? outcome.error.message : "");
    ends(outcome.reply);
  } else {
    assert.ok("error" in outcome, `answered instead of ${ends}`);
    assert.equal(outcome.error.code, ends, outcome.error.message);
    if (message) assert.match(outcome.error.message, message);
  }
  assert.ok(answered > 0);
  // Time of this thread, not of the clock: other processes may hold the machine up.
  assert.ok(worst < fairnessMs, `the neighbour waited ${worst} ms`);
  await pool.pool.drain(1_000);
  const { instances } = pool.pool.stats();
  assert.equal(instances, stays ? 1 : 0, "instances left");
  await pool.pool.stop();
  await neighbour.pool.stop();
}

for (const [what, hostileCase] of Object.entries(cases)) {
  void test(`${what} ends as it should, and the neighbour keeps answering`, async () => {
    await using world = startWorld();
    await suffer(world, hostileCase);
    assert.equal(world.census.total, 0);
  });
}

void test("an actor that calls itself without end is ended by the hop limit, and every level is told", async () => {
  await using world = startWorld();
  const guest = world.pool(prepared(hostile("call-self"), "narcissus"), {
    limits: { instances: 4 },
    hostCall: (_site, payload, call) => {
      if (call.hops >= 15) throw fail("HOPS_EXCEEDED", "narcissus", 16);
      return guest.pool.call({ ...call, payload, hops: call.hops + 1 });
    },
  });
  await assert.rejects(guest.call(), { code: "HOPS_EXCEEDED", message: /the call chain reached 16 hops at narcissus/ });
  assert.equal(guest.pool.stats().busy, 0);
  assert.equal(guest.pool.stats().traps, 0);
});

void test("an actor that calls itself without a hop limit is ended by its deadline", async () => {
  await using world = startWorld();
  const guest = world.pool(prepared(hostile("call-self"), "narcissus"), {
    limits: { instances: 4 },
    hostCall: (_site, payload, call) => guest.pool.call({ ...call, payload, hops: Math.min(call.hops + 1, 15) }),
  });
  await assert.rejects(guest.call("Op", "", { deadline: performance.now() + 100 }), { code: "DEADLINE_EXCEEDED" });
  await guest.pool.stop();
  assert.equal(world.census.total, 0);
});

void test("an actor whose callee calls it back gets its answer", async () => {
  await using world = startWorld();
  const module = prepared(hostile("call-back"));
  const caller = world.pool(module, {
    limits: { instances: 1 },
    hostCall: (_site, payload, call) => other.pool.call({ ...call, operation: "Relay", payload, hops: call.hops + 1 }),
  });
  const other = world.pool(module, {
    limits: { instances: 1 },
    hostCall: (_site, payload, call) => caller.pool.call({ ...call, operation: "Back", payload, hops: call.hops + 1 }),
  });
  assert.equal(textOf(await caller.call("Begin")), "Back");
});

void test("after each of three rounds of all of it, instances, mappings and memory are where they were", async () => {
  const levels: { instances: number; mappings: number; external: number }[] = [];
  // Two rounds until V8's own heap has its size, then three to compare.
  for (let round = 0; round < 5; round++) {
    const world = startWorld();
    for (const hostileCase of Object.values(cases)) await suffer(world, hostileCase);
    await world[Symbol.asyncDispose]();
    await collectGarbage();
    const { external, arrayBuffers } = process.memoryUsage();
    levels.push({ instances: world.census.total, mappings: mappings(), external: external + arrayBuffers });
  }
  const [, warm, ...rounds] = levels;
  for (const round of rounds) {
    assert.equal(round.instances, 0);
    assert.ok(round.mappings < warm!.mappings + 60, `mappings ${JSON.stringify(levels)}`);
    assert.ok(round.external < warm!.external + 2 ** 22, `external memory ${JSON.stringify(levels)}`);
  }
});
