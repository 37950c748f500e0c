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

/** Measures both sides in turns, ours first, so that a busy machine troubles both alike; medians. */
export async function inTurns(
  rounds: number,
  ours: () => number | Promise<number>,
  peer: () => number | Promise<number>,
): Promise<Compared> {
  const pairs: { ours: number; peer: number }[] = [];
  for (let round = 0; round < rounds; round++) pairs.push({ ours: await ours(), peer: await peer() });
  return {
    ours: median(pairs.map((pair) => pair.ours)),
    peer: median(pairs.map((pair) => pair.peer)),
    ratio: median(pairs.map((pair) => pair.ours / pair.peer)),
  };
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
