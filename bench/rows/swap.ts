import { memoryKeyvalue, startHost } from "../../index.ts";
import { Latencies } from "../../test/chaos/latencies.ts";
import { Counting } from "../../test/support/counting.ts";
import { edgeActor } from "../../test/support/edge.ts";
import { type Figure, median, type Row } from "../harness.ts";

const keys = 1_000;

/** Another store takes over under load, with its entries: how long that takes, how long calls wait, and what they feel. */
export const swap: Row = {
  name: "swap",
  short: true,
  async measure({ short }) {
    await using host = await startHost();
    const handle = await host.startProvider(memoryKeyvalue());
    const actors = [
      await host.startActor(edgeActor({ name: "one" })),
      await host.startActor(edgeActor({ name: "two" })),
    ];
    for (const actor of actors) await host.link(actor, handle);
    const phases = { before: new Latencies(), during: new Latencies(), after: new Latencies() };
    let phase = phases.before;
    const counting = new Counting(host, { actors, callers: 4, keys, onTime: (ms) => phase.note(ms) });
    await answered(counting, keys * 2);
    const swaps = short ? 10 : 50;
    const took: number[] = [];
    const pauses: number[] = [];
    for (let round = 0; round < swaps; round++) {
      phase = phases.before;
      await answered(counting, 2_000);
      phase = phases.during;
      const begin = performance.now();
      const { pauseMs } = await host.swapProvider(handle, memoryKeyvalue(), { copyState: true, trialMs: 0 });
      took.push(performance.now() - begin);
      pauses.push(pauseMs);
      // Those that waited are answered after it.
      await answered(counting, 100);
      phase = phases.after;
      await answered(counting, 2_000);
    }
    await counting.stop();
    if (counting.errors > 0) throw new Error(`${counting.errors} calls failed: ${counting.wrong[0]}`);
    const different = await counting.differences();
    if (different.length > 0) throw new Error(different[0]);
    const how = `${swaps} swaps of a store of ${keys} keys, memory to memory, 8 callers through actors; count exact`;
    const figure = (name: string, value: number, unit: string): Figure => ({
      row: "swap",
      figure: name,
      value,
      unit,
      how,
    });
    return [
      figure("a provider swapped under load, with its state", median(took), "ms"),
      figure("calls wait meanwhile", median(pauses), "ms"),
      figure("p99 of a call before swaps", phases.before.at(0.99), "ms"),
      figure("p99 of a call during swaps and the 100 calls after", phases.during.at(0.99), "ms"),
      figure("p99 of a call after swaps", phases.after.at(0.99), "ms"),
    ];
  },
};

async function answered(counting: Counting, more: number): Promise<void> {
  const wanted = counting.done + more;
  while (counting.done < wanted) await new Promise((resolve) => setImmediate(resolve));
}
