import { type Blobs, describe, LargePayloads } from "../../lattice/index.ts";

/**
 * Large payloads whose receiver died before it fetched them lie in the lattice's object store, and no 0.x host
 * takes them away: every host of ours does, now and then. Times differ from host to host and look to look, so that
 * hosts started together do not all list at once.
 * Source: lattice protocol reference, sections 4 and 17 (fault 18).
 */
export class Leftovers {
  readonly #payloads: LargePayloads;
  readonly #ageMs: number;
  readonly #report: (text: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `ageMs`: what has lain longer is left over, and about as often it is looked for. In milliseconds. */
  constructor(store: Blobs, ageMs: number, report: (text: string) => void) {
    this.#payloads = new LargePayloads(store);
    this.#ageMs = ageMs;
    this.#report = report;
  }

  start(): void {
    this.#timer = setTimeout(() => void this.#sweep(), this.#ageMs * (0.5 + Math.random())).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** What cannot be swept now is swept another time. */
  async #sweep(): Promise<void> {
    try {
      const gone = await this.#payloads.sweep(this.#ageMs);
      if (gone > 0) this.#report(`${gone} large payloads that nobody fetched are deleted`);
    } catch (error) {
      if (!this.#stopped) this.#report(`large payloads that nobody fetched stay for now: ${describe(error)}`);
    }
    if (!this.#stopped) this.start();
  }
}
