import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { type Loss, type Supervised, Supervisor, type SupervisorOptions } from "../../host/supervision.ts";
import { until } from "../support/until.ts";

interface World {
  readonly losses: { index: number; loss: Loss }[];
  readonly restarted: number[];
  readonly failed: { index: number; waitMs: number }[];
  readonly started: number[];
}

type Behaviour = "hang-while-loading" | "throw-while-loading" | "hang-before-ready" | undefined;

/** `behave` says how attempt n (from 0) of a thread behaves. */
function options(
  behave: (index: number, attempt: number) => Behaviour = () => undefined,
  more: Partial<SupervisorOptions<Supervised>> = {},
): SupervisorOptions<Supervised> & { world: World } {
  const world: World = { losses: [], restarted: [], failed: [], started: [] };
  return {
    world,
    count: 1,
    // Longer than a busy machine keeps a thread from its processor.
    silenceMs: 1_500,
    start(index, heartbeat) {
      const attempt = world.started.filter((each) => each === index).length;
      world.started.push(index);
      const worker = new Worker(new URL("./supervised-worker.mjs", import.meta.url), {
        workerData: { heartbeat, behaviour: behave(index, attempt) },
      });
      return { worker, ready: once(worker, "message") };
    },
    onLost: (index, _lost, loss) => void world.losses.push({ index, loss }),
    onRestarted: (index) => void world.restarted.push(index),
    onStartFailed: (index, _error, waitMs) => void world.failed.push({ index, waitMs }),
    ...more,
  };
}

async function answers(thread: Supervised | undefined): Promise<boolean> {
  if (!thread) return false;
  const answer = once(thread.worker, "message");
  thread.worker.postMessage("hello");
  return (await answer)[0] === "hello";
}

test("threads that answer are left alone", async () => {
  const given = options();
  await using supervisor = await Supervisor.start({ ...given, count: 2 });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  assert.equal(supervisor.threads().length, 2);
  assert.ok(await answers(supervisor.get(1)));
  assert.deepEqual(given.world.losses, []);
});

for (const deed of ["hang", "wait"] as const) {
  test(`a thread that blocks itself (${deed}) is ended and replaced, its neighbour is not touched`, async () => {
    const given = options();
    await using supervisor = await Supervisor.start({ ...given, count: 2 });
    const neighbour = supervisor.get(1);
    supervisor.get(0)?.worker.postMessage(deed);
    await until(() => given.world.restarted.length === 1);
    assert.ok(await answers(supervisor.get(0)));
    assert.equal(given.world.losses[0]?.loss.reason, "silent");
    assert.equal(supervisor.get(1), neighbour);
    assert.deepEqual([supervisor.restarts(0), supervisor.restarts(1)], [1, 0]);
  });
}

test("a thread that exits or throws is replaced, and the loss says which", async () => {
  const given = options();
  await using supervisor = await Supervisor.start({ ...given, count: 2 });
  supervisor.get(0)?.worker.postMessage("exit");
  supervisor.get(1)?.worker.postMessage("throw");
  await until(() => given.world.restarted.length === 2);
  const losses = given.world.losses.toSorted((a, b) => a.index - b.index).map(({ loss }) => loss);
  assert.deepEqual(losses, [
    { reason: "exited", exitCode: 3 },
    { reason: "failed", message: "broken inside" },
  ]);
  assert.ok((await answers(supervisor.get(0))) && (await answers(supervisor.get(1))));
});

test("a replacement that hangs before it is ready is replaced itself", async () => {
  const given = options((_index, attempt) => (attempt === 1 ? "hang-before-ready" : undefined));
  await using supervisor = await Supervisor.start(given);
  supervisor.get(0)?.worker.postMessage("exit");
  await until(() => given.world.restarted.length === 1);
  assert.equal(given.world.started.length, 3);
  assert.equal(given.world.failed.length, 1);
  assert.equal(given.world.losses.length, 1);
  assert.ok(await answers(supervisor.get(0)));
});

test("a thread that hangs while its code loads is found by its own, longer bound", async () => {
  const given = options((_index, attempt) => (attempt === 0 ? "hang-while-loading" : undefined), { loadMs: 600 });
  await assert.rejects(Supervisor.start(given), { code: "ENGINE_LOST", message: /silent for/ });
});

test("a thread that cannot start is tried again with growing waits", async () => {
  const given = options((_index, attempt) => (attempt > 0 && attempt < 5 ? "throw-while-loading" : undefined));
  await using supervisor = await Supervisor.start(given);
  supervisor.get(0)?.worker.postMessage("exit");
  await until(() => given.world.restarted.length === 1);
  assert.deepEqual(
    given.world.failed.map(({ waitMs }) => waitMs),
    [0, 20, 40, 80],
  );
  assert.equal(supervisor.restarts(0), 1);
});

test("a thread that is lost again and again waits longer each time", async () => {
  const given = options(undefined, { settledMs: 300 });
  await using supervisor = await Supervisor.start(given);
  const begun = performance.now();
  for (let n = 1; n <= 5; n++) {
    supervisor.get(0)?.worker.postMessage("exit");
    await until(() => given.world.restarted.length === n);
  }
  assert.ok(performance.now() - begun > 20 + 40 + 80 + 160);
});

test("all that started are ended when one cannot", async () => {
  const workers: Worker[] = [];
  const given = options((index) => (index === 1 ? "throw-while-loading" : undefined));
  const start = given.start.bind(given);
  await assert.rejects(
    Supervisor.start({
      ...given,
      count: 2,
      start(index, heartbeat) {
        const thread = start(index, heartbeat);
        workers.push(thread.worker);
        return thread;
      },
    }),
    /cannot load/,
  );
  await until(() => workers.every((worker) => worker.threadId === -1));
});

test("a stall of the supervisor's own thread blames nobody", async () => {
  const given = options();
  await using supervisor = await Supervisor.start(given);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(given.world.losses, []);
  assert.ok(await answers(supervisor.get(0)));
});

test("stop ends the threads, replaces none, and may be called twice", async () => {
  const given = options();
  const supervisor = await Supervisor.start({ ...given, count: 2 });
  supervisor.get(0)?.worker.postMessage("hang");
  await supervisor.stop();
  await supervisor.stop();
  assert.deepEqual(given.world.losses, []);
  assert.equal(given.world.started.length, 2);
});
