import { instantiate } from "@wapc/host";
import { Census, Pool, Scheduler } from "../../actors/index.ts";
import { assembled } from "../assembled.ts";
import { preparedGuest } from "../guests.ts";
import { type Figure, inTurns, rate, type Row } from "../harness.ts";

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
    const sides: {
      readonly figure: string;
      readonly calls: number;
      readonly ours: () => unknown;
      readonly theirs: () => unknown;
    }[] = [
      { figure: "one caller", calls: 1, ours: () => pool.call(call), theirs: () => peer.invoke(operation, payload) },
      {
        figure: `${callers} callers`,
        calls: callers,
        ours: () => together(() => pool.call(call)),
        theirs: () => together(() => peer.invoke(operation, payload)),
      },
    ];
    const figures: Figure[] = [];
    for (const { figure, calls, ours, theirs } of sides) {
      await rate(ms, ours);
      await rate(ms, theirs);
      const compared = await inTurns(
        rounds,
        () => rate(ms, ours, calls),
        () => rate(ms, theirs, calls),
      );
      figures.push({
        row: "wapc-echo",
        figure: `waPC echo of 100 B, ${figure}`,
        value: compared.ours,
        unit: "calls/s",
        peer: { name: "@wapc/host", value: compared.peer },
        ratio: compared.ratio,
        budget: { of: "ratio", better: "higher", first: 5, goal: 15 },
        how: `Pool.call with fuel, coroutine and deadlines; the peer runs the same module, not instrumented; ${rounds} rounds of ${ms} ms in turns, medians`,
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
