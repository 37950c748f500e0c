import type { ProviderContext } from "../provider.ts";

const linesPerSecond = 20;

/**
 * Tells the operator of failed requests, a bounded number of lines each second, so that a failing
 * actor under load does not drown the log; the next line says how many were left out.
 */
export class FailureLog {
  readonly #context: ProviderContext;
  #second = 0;
  #written = 0;
  #leftOut = 0;

  constructor(context: ProviderContext) {
    this.#context = context;
  }

  note(text: () => string, fields: Record<string, unknown>): void {
    const second = Math.floor(performance.now() / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#written = 0;
    }
    if (this.#written >= linesPerSecond) {
      this.#leftOut++;
      return;
    }
    this.#written++;
    const more = this.#leftOut > 0 ? ` (and ${this.#leftOut} more before)` : "";
    this.#leftOut = 0;
    this.#context.log("warn", text() + more, fields);
  }
}
