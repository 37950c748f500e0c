import { describe, failFrom, isLatticeError } from "../lattice/index.ts";
import { within } from "./deadlines.ts";
import type { EngineOptions } from "./engine-options.ts";
import { stepNumberOf } from "./children/provider-step.ts";
import { holding } from "./stalls/stall-watch.ts";
import type { ProviderRow } from "./tables.ts";

/**
 * The steps of a provider's life that the host asks for, each bounded in time and named when it
 * fails: a provider that throws or never comes back holds up nothing but itself.
 */
export class ProviderSteps {
  readonly #options: EngineOptions;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /**
   * A step that something new depends on.
   * @throws LatticeError the provider's own, else PROVIDER_FAILED; DEADLINE_EXCEEDED after `callTimeoutMs`.
   */
  begin<T>(row: ProviderRow, what: string, work: () => T | Promise<T>): Promise<T> {
    return step(row, what, this.#options.limits.callTimeoutMs, work);
  }

  /** A step on the way out: its failure is told and changes nothing. Bounded by `ms`. */
  async end(row: ProviderRow, what: string, ms: number, work: () => unknown): Promise<void> {
    try {
      await step(row, what, ms, work);
    } catch (error) {
      this.#options.onReport("warn", describe(error));
    }
  }
}

async function step<T>(
  { spec: { name }, mark }: ProviderRow,
  what: string,
  ms: number,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await within((async () => await holding(mark + stepNumberOf(what), work))(), ms, `${what} of ${name}`);
  } catch (error) {
    throw isLatticeError(error) ? error : failFrom(error, "PROVIDER_FAILED", name, what, describe(error));
  }
}
