/** Work between two looks at the clock, in nanoseconds. */
const chunkNs = 150_000;
const smallestChunk = 20_000;
const largestChunk = 4_000_000;

/**
 * How long one unit of fuel takes, measured while guests of one module run.
 *
 * A sample lies between two ends of fuel with nothing but guest code between. The machine may have
 * taken the thread away meanwhile, so that a sample counts as four times the present rate at most,
 * and for an eighth.
 */
export class FuelRate {
  /** Nanoseconds per unit. Starts with a guess: a plain instruction in code that is not optimised yet. */
  nsPerFuel = 1;
  /** Fuel for one chunk of work. */
  chunk = chunkNs;

  sample(ns: number, fuel: number): void {
    if (fuel < smallestChunk / 2) return;
    const seen = Math.min(ns / fuel, this.nsPerFuel * 4);
    this.nsPerFuel += (seen - this.nsPerFuel) / 8;
    this.chunk = Math.max(smallestChunk, Math.min(largestChunk, Math.round(chunkNs / this.nsPerFuel)));
  }
}
