import type { FuelRate } from "./fuel-rate.ts";

/** Import work between two looks at the clock, in nanoseconds. */
const allowanceNs = 150_000;

/**
 * The time that one guest uses of its thread: fuel burned by its own code, at the measured rate, and
 * work that imports do on its behalf, by fixed prices. Both end in the same place: the guest asks
 * `fuel`, and only there the clock is read.
 */
export class TimeAccount {
  readonly #rate: FuelRate;
  /** Told of every nanosecond once. */
  readonly #used: (ns: number) => void;
  /** The guest's own counter, once it has one. */
  #fuel: WebAssembly.Global | undefined;
  /** Fuel at the last account. */
  #mark = 0;
  /** When the present fuel was granted; NaN when the guest has not run on without a pause since. */
  #grantedAt = Number.NaN;
  #allowance = allowanceNs;
  #exhausted = false;
  /** Burned before the counter was emptied, not yet asked for by `fuelEnded`. */
  #carried = 0;

  constructor(rate: FuelRate, used: (ns: number) => void) {
    this.#rate = rate;
    this.#used = used;
  }

  /** The guest's counter, filled for the first time. */
  open(fuel: WebAssembly.Global): void {
    this.#fuel = fuel;
    fuel.value = this.grant(Number.NaN);
  }

  close(): void {
    this.#fuel = undefined;
  }

  /** Fuel for the next chunk of work. `now`: a fresh clock when the guest runs on at once, else NaN. */
  grant(now: number): number {
    this.#grantedAt = now;
    this.#mark = this.#rate.chunk;
    return this.#mark;
  }

  /** The guest did not run on without a pause: time since the last grant says nothing about the rate. */
  pause(): void {
    this.#grantedAt = Number.NaN;
  }

  /** An import did this much. */
  charge(ns: number): void {
    if ((this.#allowance -= ns) < 0) this.exhaust();
  }

  /** A call is over with this much fuel left; answering it cost `ns` beside. */
  settle(fuelLeft: number, ns: number): void {
    this.#used((this.#mark - fuelLeft) * this.#rate.nsPerFuel);
    this.#mark = fuelLeft;
    this.#allowance -= ns;
    this.#carried = 0;
  }

  /** Between two calls: whether it is time to look at the clock. */
  get due(): boolean {
    return this.#allowance < 0;
  }

  /** The guest has no fuel left, at `now`: the nanoseconds since it was asked last. A new allowance begins. */
  fuelEnded(now: number): number {
    const { nsPerFuel } = this.#rate;
    const ran = now - this.#grantedAt;
    if (this.#allowance === allowanceNs && !Number.isNaN(ran)) this.#rate.sample(ran * 1e6, this.#mark);
    const burned = this.#mark * nsPerFuel;
    this.#used(burned);
    this.#mark = 0;
    const spent = this.#carried + burned + (allowanceNs - this.#allowance);
    this.renew();
    return spent;
  }

  /** A new allowance for imports; what they used is accounted. */
  renew(): void {
    this.#used(allowanceNs - this.#allowance);
    this.#allowance = allowanceNs;
    this.#exhausted = false;
    this.#carried = 0;
    this.pause();
  }

  /** Empties the counter, so that the guest asks at its next check. */
  exhaust(): void {
    if (this.#exhausted || !this.#fuel) return;
    this.#exhausted = true;
    const burned = (this.#mark - this.#fuel.value) * this.#rate.nsPerFuel;
    this.#used(burned);
    this.#carried += burned;
    this.#mark = 0;
    this.#fuel.value = 0;
  }
}
