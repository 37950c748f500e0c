import { type Asker, type LatticeError, Slots } from "../../lattice/index.ts";
import type { CallTime } from "./figures.ts";

/** A call that was sent. What was given up gets no second answer. */
export class OpenCall implements Asker<Uint8Array> {
  readonly place: string;
  /** When it was sent, in `performance.now()`. */
  readonly begunAt: number;
  readonly #others: Slots<OpenCall>;
  readonly #number: number;
  readonly #time: CallTime;
  readonly #onAnswered: (time: CallTime) => void;
  readonly #asker: Asker<Uint8Array>;
  readonly #otherwise: (error: unknown) => void;

  constructor(
    others: Slots<OpenCall>,
    place: string,
    time: CallTime,
    onAnswered: (time: CallTime) => void,
    asker: Asker<Uint8Array>,
    otherwise: (error: unknown) => void,
  ) {
    this.#others = others;
    this.place = place;
    this.#time = time;
    this.begunAt = time.begunAt;
    this.#onAnswered = onAnswered;
    this.#asker = asker;
    this.#otherwise = otherwise;
    this.#number = others.add(this);
  }

  answered(answer: Uint8Array): void {
    if (this.#others.take(this.#number) === undefined) return;
    this.#onAnswered(this.#time);
    this.#asker.answered(answer);
  }

  /** It was not sent after all; nobody is told. */
  withdraw(): void {
    this.#others.take(this.#number);
  }

  failed(error: unknown): void {
    if (this.#others.take(this.#number) === undefined) return;
    try {
      this.#otherwise(error);
    } catch (reason) {
      this.#asker.failed(reason);
    }
  }
}

/** The calls that wait for an answer, by the host and place asked: they fail at once when that is gone. */
export class Outstanding {
  readonly #byHost = new Map<string, Slots<OpenCall>>();
  /** Of hosts that left in order: the last answers may still come. */
  readonly #ending = new Set<Slots<OpenCall>>();
  readonly #onAnswered: (time: CallTime) => void;

  count(host: string): number {
    return this.#byHost.get(host)?.size ?? 0;
  }

  /** `onAnswered` is told of answers that were still waited for. */
  constructor(onAnswered: (time: CallTime) => void) {
    this.#onAnswered = onAnswered;
  }

  /**
   * One more call waits. Whoever gets the answer tells it what is returned; `asker` is told then. `otherwise` is
   * told why there is none, also when the place is lost: it asks somebody else for the asker, or throws what
   * the asker is to hear.
   */
  wait(
    host: string,
    place: string,
    time: CallTime,
    asker: Asker<Uint8Array>,
    otherwise: (error: unknown) => void,
  ): OpenCall {
    let waiting = this.#byHost.get(host);
    if (!waiting) this.#byHost.set(host, (waiting = new Slots()));
    return new OpenCall(waiting, place, time, this.#onAnswered, asker, otherwise);
  }

  /** Gives up what waits for a host, or for one place of it. */
  lost(host: string, why: () => LatticeError, place?: string): void {
    const waiting = this.#byHost.get(host) ?? [];
    if (place === undefined) this.#byHost.delete(host);
    for (const each of waiting) if (place === undefined || each.place === place) each.failed(why());
  }

  /** Gives up what was asked of a host before `moment`. */
  lostBefore(host: string, moment: number, why: () => LatticeError): void {
    for (const each of this.#byHost.get(host) ?? []) if (each.begunAt < moment) each.failed(why());
  }

  /** Gives up what waits for a host now, unless it is answered within `ms`. */
  leaving(host: string, why: () => LatticeError, ms: number): void {
    const waiting = this.#byHost.get(host);
    if (!waiting) return;
    this.#byHost.delete(host);
    this.#ending.add(waiting);
    setTimeout(() => {
      this.#ending.delete(waiting);
      for (const each of waiting) each.failed(why());
    }, ms).unref();
  }

  stop(why: () => LatticeError): void {
    for (const host of this.#byHost.keys()) this.lost(host, why);
    for (const waiting of this.#ending) for (const each of waiting) each.failed(why());
    this.#ending.clear();
  }
}
