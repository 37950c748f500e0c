/** Calls, chains, traps, deadlines, resizes, drains and stops at random, again and again: every call comes to an end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ActorModule, Census, type GuestHost, Pool, prepare, Scheduler } from "../../actors/index.ts";
import { calling, obedient } from "../support/actors.ts";

const edge = prepare(ActorModule.fromBytes(obedient({ name: "edge" })));
const nothing = new Uint8Array();
/** Longer than any call here can need, shorter than the test may take. */
const patienceMs = 20_000;
const deepest = 12;

type Draw = (below: number) => number;

function drawing(seed: number): Draw {
  let state = Math.imul(seed, 2_654_435_761) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

interface Storm {
  readonly seed: number;
  readonly calls: number;
  /** Of 14 host calls so many are answered otherwise than by another call. */
  readonly shallow: number;
  readonly instances?: number;
}

/** Outcomes by code. The pools change, and are replaced, while they work. */
async function storm({ seed, calls, shallow, instances }: Storm): Promise<Map<string, number>> {
  const draw = drawing(seed);
  const scheduler = new Scheduler({ sliceMs: 1 });
  const census = new Census(instances);
  const outcomes = new Map<string, number>();
  const ends: Promise<unknown>[] = [];

  const later = (bytes: Uint8Array): Promise<Uint8Array> | Uint8Array =>
    [
      () => bytes,
      () => Promise.resolve(bytes),
      () => new Promise<Uint8Array>((resolve) => setImmediate(resolve, bytes)),
      () => new Promise<Uint8Array>((resolve) => setTimeout(resolve, draw(4), bytes)),
    ][draw(4)]!();
  const work = (): readonly [operation: string, payload: Uint8Array] => {
    const which = draw(40);
    if (which === 0) return ["Trap", nothing];
    if (which === 1) return [draw(4) === 0 ? "Spin" : "Fail", nothing];
    return which < 10 ? ["Echo", new Uint8Array(draw(200))] : ["Call", calling("test:any", "Any", "payload")];
  };
  const hostCall: GuestHost["hostCall"] = (_site, payload, call) => {
    if (draw(14) < shallow || call.hops >= deepest) return later(payload.slice());
    const [operation, inner] = work();
    return pools[draw(3)]!.call({ ...call, operation, payload: inner, hops: call.hops + 1 });
  };
  const newPool = () =>
    new Pool({
      module: edge,
      name: "edge",
      scheduler,
      census,
      limits: { instances: 1 + draw(4), queue: 10_000, cpuMs: 5, idleMs: 5 + draw(30) },
      host: { hostCall, log: () => undefined },
    });
  const pools = [newPool(), newPool(), newPool()];

  const call = async () => {
    const [operation, payload] = work();
    const short = draw(20) === 0;
    const deadline = performance.now() + (short ? 1 + draw(30) : patienceMs);
    const code = await pools[draw(3)]!.call({ operation, payload, deadline, hops: 0, trace: undefined }).then(
      () => "answered",
      (error: { code: string }) => (short && error.code === "DEADLINE_EXCEEDED" ? "late as asked" : error.code),
    );
    outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
  };
  const replace = (end: (old: Pool) => Promise<void>) => {
    const place = draw(3);
    ends.push(end(pools[place]!));
    pools[place] = newPool();
  };
  const pauses: (() => unknown)[] = [
    () => pools[draw(3)]!.resize({ max: 1 + draw(5) }),
    () => replace((old) => old.drain(patienceMs).then(() => old.stop())),
    () => (draw(6) === 0 ? replace((old) => old.stop()) : undefined),
    () => new Promise((resolve) => setTimeout(resolve, draw(15))),
    () => new Promise((resolve) => setImmediate(resolve)),
    () => Promise.resolve(),
  ];
  for (let sent = 0; sent < calls;) {
    for (let burst = 1 + draw(12); burst > 0; burst--, sent++) ends.push(call());
    await pauses[draw(pauses.length)]!();
  }
  await Promise.all(ends);
  await Promise.all(pools.map((pool) => pool.stop()));
  scheduler.stop();
  assert.equal(census.total, 0, `instances left by seed ${seed}`);
  return outcomes;
}

const clear = new Set(
  "answered,late as asked,STOPPED,DRAINING,GUEST_FAILED,GUEST_TRAPPED,GUEST_CPU_EXCEEDED".split(","),
);

for (const [how, shallow] of [
  ["short chains", 10],
  ["long chains", 4],
] as const) {
  void test(`in a storm of ${how} no call waits for ever`, { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const outcomes = await storm({ seed: seed * shallow, calls: 300, shallow });
      assert.deepEqual(
        [...outcomes].filter(([code]) => !clear.has(code)),
        [],
        `seed ${seed}`,
      );
      assert.ok(outcomes.get("answered")! > 150);
    }
  });
}

void test("where the process has no room for instances, chains end with the reason", { timeout: 60_000 }, async () => {
  const outcomes = new Set<string>();
  // A machine with other work to do may let some storms pass.
  for (let seed = 1; !outcomes.has("INSTANCE_LIMIT"); seed++) {
    const storms = [0, 1, 2].map((more) => storm({ seed: 3 * seed + more, calls: 20, shallow: 4, instances: 5 }));
    for (const each of await Promise.all(storms)) for (const code of each.keys()) outcomes.add(code);
  }
  assert.deepEqual(
    [...outcomes].filter((code) => !clear.has(code)),
    ["INSTANCE_LIMIT"],
  );
});
