import { within } from "../deadlines.ts";
import { InFlight } from "../in-flight.ts";

/**
 * Longest wait for the calls under way over a link that changes, in milliseconds. One that takes longer, or that waits
 * for a call which has come after it, meets the change.
 */
const underWayMs = 1_000;

/** Lets the calls over a link pass, but for the moments in which it changes: then they wait. */
export class LinkDoors {
  readonly #inFlight = new Map<string, InFlight>();
  readonly #shut = new Map<string, Promise<void>>();

  /** @throws LatticeError DEADLINE_EXCEEDED when the link is not open again in time. */
  async pass<T>(link: string, deadline: number, call: () => Promise<T>): Promise<T> {
    for (let shut = this.#shut.get(link); shut; shut = this.#shut.get(link))
      await within(shut, Math.max(1, deadline - performance.now()), "a call over a link that changes");
    const calls = this.#inFlight.get(link) ?? new InFlight();
    this.#inFlight.set(link, calls);
    calls.begin();
    try {
      return await call();
    } finally {
      calls.end();
      if (calls.count === 0 && this.#inFlight.get(link) === calls) this.#inFlight.delete(link);
    }
  }

  /** Changes the link while nobody calls over it. One change at a time. */
  async shut(link: string, change: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#shut.set(link, promise);
    try {
      const calls = this.#inFlight.get(link)?.idle();
      // Late ones are not waited for.
      if (calls) await within(calls, underWayMs, "calls under way").catch(() => {});
      await change();
    } finally {
      this.#shut.delete(link);
      resolve();
    }
  }
}
