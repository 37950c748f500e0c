import { instantiate } from "@wapc/host";
import { Census, type GuestCall, Pool, Scheduler, type Waiter } from "../../actors/index.ts";
import { assembled } from "../assembled.ts";
import { preparedGuest } from "../guests.ts";
import { type Budget, type Figure, inTurns, ownTime, rate, type Row } from "../harness.ts";

const operation = "Echo";
const payload = new Uint8Array(100).fill(7);
const callers = 16;

/** The engine alone: pool, fuel, coroutine and deadline watch, against the reference host of waPC on the plain module. */
export const wapcEcho: Row = {
  name: "wapc-echo",
  short: true,
  async measure({ short }) {
    const bytes = assembled("echo");
    const [rounds, ms] = short ? [5, 100] : [11, 200];
    const peer = await instantiate(bytes);
    const scheduler = new Scheduler();
    const pool = new Pool({
      module: preparedGuest(bytes, { name: "echo" }),
      host: { hostCall: () => new Uint8Array(0), log: () => undefined },
      name: "echo",
      scheduler,
      census: new Census(),
    });
    const call = { operation, payload, deadline: Number.POSITIVE_INFINITY, hops: 0, trace: undefined };
    const invoke = () => peer.invoke(operation, payload);
    const promised = () => pool.call(call);
    const budget: Budget = { of: "ratio", better: "higher", first: 5, goal: 15 };
    const sides = [
      {
        figure: "one caller",
        calls: callers,
        ours: chained(pool, call),
        theirs: () => inTurn(invoke),
        by: "Pool.submit, the next call when the last is answered",
        budget,
      },
      { figure: "one caller, by promises", calls: 1, ours: promised, theirs: invoke, by: "Pool.call" },
      {
        figure: `${callers} callers`,
        calls: callers,
        ours: submitting(pool, call),
        theirs: () => together(invoke),
        by: "Pool.submit, as host calls and dispatch do",
        budget,
      },
      {
        figure: `${callers} callers, by promises`,
        calls: callers,
        ours: () => together(promised),
        theirs: () => together(invoke),
        by: "Pool.call",
      },
    ];
    const figures: Figure[] = [];
    for (const { figure, calls, ours, theirs, by, ...rest } of sides) {
      await rate(ms, ours, calls, ownTime);
      await rate(ms, theirs, calls, ownTime);
      const compared = await inTurns(
        rounds,
        () => rate(ms, ours, calls, ownTime),
        () => rate(ms, theirs, calls, ownTime),
      );
      figures.push({
        row: "wapc-echo",
        figure: `waPC echo of 100 B, ${figure}`,
        value: compared.ours,
        unit: "calls/s",
        peer: { name: "@wapc/host", value: compared.peer },
        ratio: compared.ratio,
        ...rest,
        how: `${by}, with fuel, coroutine and deadlines; the peer runs the same module, not instrumented; ${rounds} rounds of ${ms} ms of the thread's own time in turns, medians`,
      });
    }
    await pool.stop();
    scheduler.stop();
    return figures;
  },
};

/** `callers` calls at once; resolves when the last is answered. */
function together(call: () => Promise<unknown>): Promise<unknown> {
  let last: Promise<unknown> = Promise.resolve();
  for (let i = 0; i < callers; i++) last = call();
  return last;
}

/** `callers` calls one after another. */
async function inTurn(call: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < callers; i++) await call();
}

/** The same; resolves when the last is answered. */
function chained(pool: Pool, call: GuestCall): () => Promise<void> {
  let left = 0;
  let done: () => void;
  const capture = (resolve: () => void) => void (done = resolve);
  const waiter: Waiter = {
    answered: () => {
      if (--left === 0) done();
      else pool.submit(call, waiter);
    },
    failed: (error) => {
      throw error;
    },
  };
  return () => {
    left = callers;
    pool.submit(call, waiter);
    return new Promise(capture);
  };
}

/** `callers` calls at once, the next ones when the last is answered. */
function submitting(pool: Pool, call: GuestCall): () => Promise<void> {
  let left = 0;
  let done: () => void;
  const capture = (resolve: () => void) => void (done = resolve);
  const waiter: Waiter = {
    answered: () => {
      if (--left === 0) done();
    },
    failed: (error) => {
      throw error;
    },
  };
  return () => {
    left = callers;
    for (let i = 0; i < callers; i++) pool.submit(call, waiter);
    return new Promise(capture);
  };
}
