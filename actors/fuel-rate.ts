/** Work between two looks at the clock, in nanoseconds. */
const chunkNs = 150_000;
const smallestChunk = 10_000;
const largestChunk = 4_000_000;

/**
 * How long one unit of fuel takes, measured while guests of one module run: between two ends of fuel
 * with nothing but guest code between.
 *
 * The machine may have taken the thread away meanwhile. For the account of CPU time a sample
 * therefore counts as four times the present rate at most, and for an eighth; for the length of the
 * next chunk it counts fully, since looking at the clock once too often costs little.
 */
export class FuelRate {
  /** Nanoseconds per unit. Starts with a guess: a plain instruction in code that is not optimised yet. */
  nsPerFuel = 1;
  /** Fuel for one chunk of work. */
  chunk = chunkNs;
  #pace = 1;

  sample(ns: number, fuel: number): void {
    if (fuel < smallestChunk / 2) return;
    const seen = ns / fuel;
    this.nsPerFuel += (Math.min(seen, this.nsPerFuel * 4) - this.nsPerFuel) / 8;
    this.#pace += (seen - this.#pace) / 2;
    this.chunk = Math.max(smallestChunk, Math.min(largestChunk, Math.round(chunkNs / this.#pace)));
  }
}
