import { type LatticeError, Slots } from "../../lattice/index.ts";
import type { CallTime } from "./figures.ts";

interface Waiting {
  readonly place: string;
  /** There will be no answer. */
  readonly fail: (error: unknown) => void;
}

/** The calls that wait for an answer, by the host and place asked: they fail at once when that is gone. */
export class Outstanding {
  readonly #byHost = new Map<string, Slots<Waiting>>();
  /** Of hosts that left in order: the last answers may still come. */
  readonly #ending = new Set<Slots<Waiting>>();
  readonly #onAnswered: (time: CallTime) => void;

  count(host: string): number {
    return this.#byHost.get(host)?.size ?? 0;
  }

  /** `onAnswered` is told of answers that were still waited for. */
  constructor(onAnswered: (time: CallTime) => void) {
    this.#onAnswered = onAnswered;
  }

  /** The answer; `otherwise` is told why there is none, also when the place is lost, and throws that or asks somebody else. */
  wait<T>(
    host: string,
    place: string,
    time: CallTime,
    answer: Promise<T>,
    otherwise: (error: unknown) => Promise<T>,
  ): Promise<T> {
    let waiting = this.#byHost.get(host);
    if (!waiting) this.#byHost.set(host, (waiting = new Slots()));
    const others = waiting;
    return new Promise<T>((resolve, reject) => {
      const own: Waiting = {
        place,
        fail: (error) => {
          // What was given up gets no second answer.
          if (others.take(number) === undefined) return;
          try {
            resolve(otherwise(error));
          } catch (reason) {
            reject(reason);
          }
        },
      };
      const number = others.add(own);
      answer.then((value) => {
        if (others.take(number) !== undefined) this.#onAnswered(time);
        resolve(value);
      }, own.fail);
    });
  }

  /** Gives up what waits for a host, or for one place of it. */
  lost(host: string, why: () => LatticeError, place?: string): void {
    const waiting = this.#byHost.get(host) ?? [];
    if (place === undefined) this.#byHost.delete(host);
    for (const each of waiting) if (place === undefined || each.place === place) each.fail(why());
  }

  /** Gives up what waits for a host now, unless it is answered within `ms`. */
  leaving(host: string, why: () => LatticeError, ms: number): void {
    const waiting = this.#byHost.get(host);
    if (!waiting) return;
    this.#byHost.delete(host);
    this.#ending.add(waiting);
    setTimeout(() => {
      this.#ending.delete(waiting);
      for (const each of waiting) each.fail(why());
    }, ms).unref();
  }

  stop(why: () => LatticeError): void {
    for (const host of this.#byHost.keys()) this.lost(host, why);
    for (const waiting of this.#ending) for (const each of waiting) each.fail(why());
    this.#ending.clear();
  }
}
