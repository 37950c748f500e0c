/** What a figure should reach, in its ratio to the peer or in its own unit. */
export interface Budget {
  readonly of: "ratio" | "value";
  readonly better: "higher" | "lower";
  readonly first: number;
  readonly goal: number;
}

/** Measured beside a figure in the same run, or why it was not. */
export type Peer =
  | { readonly name: string; readonly value: number }
  | { readonly name: string; readonly skipped: string };

/** One line of the table. `ratio` is ours over the peer's. */
export interface Figure {
  readonly row: string;
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  readonly peer?: Peer;
  readonly ratio?: number;
  readonly budget?: Budget;
  /** How it was measured: load, rounds, what is inside. */
  readonly how: string;
}

/** A row, or a family of rows that share their set-up. `short` ones are run by the gate, in a few seconds each. */
export interface Row {
  readonly name: string;
  readonly short: boolean;
  measure(run: BenchRun): Promise<Figure[]>;
}

export interface BenchRun {
  /** Fewer and shorter rounds. */
  readonly short: boolean;
  /** Progress, for standard error. */
  say(text: string): void;
}

export type Verdict = "goal" | "first" | "below" | "";

/** Where a figure stands in its budget; empty without one, or without the peer that it needs. */
export function verdict({ budget, ratio, value }: Figure): Verdict {
  if (!budget) return "";
  const reached = budget.of === "ratio" ? ratio : value;
  if (reached === undefined) return "";
  const is = (wanted: number) => (budget.better === "higher" ? reached >= wanted : reached <= wanted);
  return is(budget.goal) ? "goal" : is(budget.first) ? "first" : "below";
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

export interface Compared {
  readonly ours: number;
  readonly peer: number;
  /** Median of the ratios of the rounds: two measurements next to each other meet the same machine. */
  readonly ratio: number;
}

/** Measures once; the unit is the caller's. */
export type Measure = () => number | Promise<number>;

/** Measures both sides in turns, ours first, so that a busy machine troubles both alike; medians. */
export async function inTurns(rounds: number, ours: Measure, peer: Measure): Promise<Compared> {
  const [compared] = await inTurnsAmong(rounds, ours, [peer]);
  return compared!;
}

/** `inTurns` beside several peers: ours once in each round, compared with each of them. */
export async function inTurnsAmong(rounds: number, ours: Measure, peers: readonly Measure[]): Promise<Compared[]> {
  const found: { ours: number; peers: number[] }[] = [];
  for (let round = 0; round < rounds; round++) {
    const one = { ours: await ours(), peers: [] as number[] };
    for (const peer of peers) one.peers.push(await peer());
    found.push(one);
  }
  return peers.map((_, at) => ({
    ours: median(found.map((one) => one.ours)),
    peer: median(found.map((one) => one.peers[at]!)),
    ratio: median(found.map((one) => one.ours / one.peers[at]!)),
  }));
}

/** Does some calls and says how many. */
export type Ask = () => Promise<number>;

/** Calls per second with so many askers under way. */
export async function perSecond(concurrency: number, ms: number, ask: Ask): Promise<number> {
  const begin = performance.now();
  let count = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() - begin < ms) {
        const more = await ask();
        count += more;
      }
    }),
  );
  return (count / (performance.now() - begin)) * 1_000;
}

/**
 * Calls `work` again and again for `ms` and answers how often per second; `perCall` counts of one
 * `work`. Of this thread's own time where that is the `clock`, so that whoever else uses the machine
 * does not count.
 */
export async function rate(
  ms: number,
  work: () => unknown,
  perCall = 1,
  clock: () => number = () => performance.now(),
): Promise<number> {
  const begin = clock();
  let calls = 0;
  let elapsed = 0;
  while (elapsed < ms) {
    for (let i = 0; i < 100; i++) await work();
    calls += 100 * perCall;
    elapsed = clock() - begin;
  }
  return (calls / elapsed) * 1_000;
}

/** Milliseconds for which this thread has had a processor. */
export function ownTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
