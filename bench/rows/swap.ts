import { Latencies } from "../../test/chaos/latencies.ts";
import { Counting } from "../../test/support/counting.ts";
import { edgeActor } from "../../test/support/edge.ts";
import { type ServerName, skipWithout } from "../../test/support/store-servers.ts";
import { type BenchRun, type Figure, median, type Row } from "../harness.ts";
import {
  childSeat,
  memorySeat,
  otherHostSeat,
  serverSeat,
  sqliteSeat,
  type SwapSeat,
  type SwapTimes,
} from "../swap-stores.ts";

const keys = 1_000;
const callersEach = 4;

interface Store {
  readonly row: string;
  readonly name: string;
  readonly needs?: ServerName;
  readonly open: () => Promise<SwapSeat>;
}

const stores: readonly Store[] = [
  { row: "swap", name: "memory", open: memorySeat },
  { row: "swap-sqlite", name: "SQLite", open: sqliteSeat },
  { row: "swap-redis", name: "Redis", needs: "redis-server", open: () => serverSeat("redis-server", "redis") },
  { row: "swap-nats", name: "NATS", needs: "nats-server", open: () => serverSeat("nats-server", "nats") },
  { row: "swap-child", name: "a child", open: childSeat },
  { row: "swap-host", name: "another host", needs: "nats-server", open: otherHostSeat },
];

/**
 * Another store takes over under load, with its entries, and the first one again: how long that takes, how long
 * calls wait, and what they feel. A call that fails, is lost or is counted twice fails the row.
 */
export const swapRows: readonly Row[] = stores.map((store) => ({
  name: store.row,
  short: true,
  measure: (run) => measure(run, store),
}));

async function measure(run: BenchRun, { row, name, needs, open }: Store): Promise<Figure[]> {
  const why = needs !== undefined && skipWithout(needs);
  if (why) {
    run.say(`skipped: ${why}`);
    return [];
  }
  const [rounds, calmMs, trialMs] = run.short ? [1, 400, 500] : [5, 1_000, 2_000];
  await using seat = await open();
  const { host } = seat;
  const actors = [await host.startActor(edgeActor({ name: "one" })), await host.startActor(edgeActor({ name: "two" }))];
  for (const actor of actors) await host.link(actor, seat.store);
  const calm = { memory: new Latencies(), other: new Latencies() };
  const during = { there: new Latencies(), back: new Latencies() };
  let phase = new Latencies();
  const counting = new Counting(host, { actors, callers: callersEach, keys, onTime: (ms) => phase.note(ms) });
  const swaps: { readonly there: SwapTimes[]; readonly back: SwapTimes[] } = { there: [], back: [] };
  const swap = async (way: "there" | "back") => {
    phase = during[way];
    swaps[way].push(await seat[way](trialMs));
    // Those that waited are answered after it.
    await answered(counting, 2 * callersEach);
  };
  const rest = async (latencies: Latencies) => {
    phase = latencies;
    await new Promise((resolve) => setTimeout(resolve, calmMs));
    // However slow the machine is, there is something to tell.
    await answered(counting, 100);
  };
  try {
    // All keys are there, and everything is warm.
    await answered(counting, keys * 2);
    for (let round = 0; round < rounds; round++) {
      await rest(calm.memory);
      await swap("there");
      await rest(calm.other);
      await swap("back");
    }
  } finally {
    await counting.stop();
  }
  const all = [...swaps.there, ...swaps.back];
  const lost = all.reduce((sum, each) => sum + each.lost, 0);
  if (counting.errors + lost > 0)
    throw new Error(`${counting.errors} calls failed, ${lost} were lost: ${counting.wrong[0] ?? ""}`);
  const [different] = await counting.differences();
  if (different !== undefined) throw new Error(different);

  const [before, after] = [calm.memory.at(0.99), calm.other.at(0.99)];
  const slower = Math.max(before, after);
  const [there, back] = [during.there.at(0.99), during.back.at(0.99)];
  const worse = Math.max(there, back);
  const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
  const way = (times: readonly SwapTimes[]) => ms(median(times.map(({ swapMs }) => swapMs)));
  const how = `${all.length} swaps of ${keys} keys with their state, ${2 * callersEach} callers through actors without a pause; 0 calls failed or lost, count exact`;
  const figure = { row, unit: "ms" };
  return [
    {
      ...figure,
      figure: `memory -> ${name} and back: one swap, without its trial`,
      value: median(all.map(({ swapMs }) => swapMs)),
      how: `${how}; there ${way(swaps.there)}, back ${way(swaps.back)}`,
    },
    {
      ...figure,
      figure: "calls wait meanwhile",
      value: median(all.map(({ pauseMs }) => pauseMs)),
      how: `while the state is copied; at most ${ms(Math.max(...all.map(({ pauseMs }) => pauseMs)))}`,
    },
    {
      ...figure,
      figure: "p99 of a call during swaps, of the worse way",
      value: worse,
      peer: { name: "p99 of the slower store at rest", value: slower },
      ratio: worse / slower,
      budget: { of: "ratio", better: "lower", first: 2, goal: 1.2 },
      how: `from the command to its end, with a trial of ${trialMs} ms (by default 10 s): there ${ms(there)}, back ${ms(back)}; at rest ${ms(before)} in memory before, ${ms(after)} in ${name} after`,
    },
  ];
}

async function answered(counting: Counting, more: number): Promise<void> {
  const wanted = counting.done + more;
  while (counting.done < wanted && counting.errors === 0) await new Promise((resolve) => setImmediate(resolve));
}
