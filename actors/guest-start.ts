import { fail, type LatticeError } from "../lattice/index.ts";
import type { GuestCall } from "./guest-host.ts";

const nothing = new Uint8Array(0);

/**
 * What a guest does before it takes calls: instantiation, start functions, its introduction. All of
 * it together has one limit, of the clock and of CPU time.
 */
export class GuestStart {
  /** What runs now, for errors. */
  entry = "instantiation";
  /** Stands for the call that there is not, where host calls and log lines ask for one. */
  call: GuestCall;
  /** Why it was ended, when it was. */
  failure: LatticeError | undefined;
  readonly #name: string;
  readonly #limitMs: number;
  readonly #deadline: number;
  #cpuNs = 0;

  /** `name` is the actor's; `limitMs` counts from now. */
  constructor(name: string, limitMs: number) {
    this.#name = name;
    this.#limitMs = limitMs;
    this.#deadline = performance.now() + limitMs;
    this.call = this.#callOf(this.entry);
  }

  enter(entry: string): void {
    this.entry = entry;
    this.call = this.#callOf(entry);
  }

  isLate(now: number): boolean {
    return now >= this.#deadline;
  }

  /** Accounts CPU time; says whether the limit is met. */
  spend(ns: number, now: number): boolean {
    this.#cpuNs += ns;
    return this.#cpuNs > this.#limitMs * 1e6 || this.isLate(now);
  }

  failed(why: string): LatticeError {
    return fail("GUEST_START_FAILED", this.#name, this.entry, why);
  }

  late(): LatticeError {
    return this.failed(`it is not done after ${this.#limitMs} ms`);
  }

  #callOf(operation: string): GuestCall {
    return { operation, payload: nothing, deadline: this.#deadline, hops: 0, trace: undefined };
  }
}
