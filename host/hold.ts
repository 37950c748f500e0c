import { fail } from "../lattice/index.ts";
import type { Deadlines } from "./deadlines.ts";

/** Calls that may wait at one provider in one engine. */
const mostWaiting = 10_000;

/**
 * The calls that wait while a provider is exchanged or its state is copied. Each waits no longer
 * than its own deadline; all go on in one step, in the order in which they came.
 */
export class Hold {
  readonly #deadlines: Deadlines;
  readonly #name: string;
  readonly #waiting = new Set<() => void>();

  constructor(deadlines: Deadlines, name: string) {
    this.#deadlines = deadlines;
    this.#name = name;
  }

  /**
   * Answers what `go` answers once the hold ends; `onRefused` is told when it does not come to that.
   * @throws LatticeError QUEUE_FULL when too many wait, DEADLINE_EXCEEDED.
   */
  wait(
    deadline: number,
    go: () => Uint8Array | Promise<Uint8Array>,
    onRefused: () => void = () => {},
  ): Promise<Uint8Array> {
    if (this.#waiting.size >= mostWaiting) {
      onRefused();
      return Promise.reject(fail("QUEUE_FULL", this.#name, mostWaiting));
    }
    const since = performance.now();
    return new Promise((resolve, reject) => {
      const inTime = this.#deadlines.watch(deadline, (why) => {
        this.#waiting.delete(goOn);
        onRefused();
        reject(why ?? fail("DEADLINE_EXCEEDED", this.#name, Math.round(deadline - since)));
      });
      const goOn = () => {
        if (!inTime()) return;
        try {
          resolve(go());
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.add(goOn);
    });
  }

  release(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const goOn of waiting) goOn();
  }
}
