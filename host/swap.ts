import type { Provider } from "../capabilities/index.ts";
import { slotOf } from "./engine-messages.ts";
import type { Links } from "./links.ts";
import type { HostParts } from "./parts.ts";
import type { ProviderNews } from "./provider-questions.ts";
import type { Providers } from "./providers.ts";
import type { SwapJournal } from "./swap-journal.ts";
import type { SwapOptions, SwapOutcome, SwapRecord } from "./swap-record.ts";
import { SwapRun } from "./swap-run.ts";
import type { ProviderHandle } from "./wanted.ts";

/** Swaps remembered for `describe`. */
const mostRecords = 20;

/** The swaps of one host: another provider takes over the links of one that runs, under load. */
export class Swaps {
  readonly records: SwapRecord[] = [];
  readonly #parts: HostParts;
  readonly #links: Links;
  readonly #providers: Providers;
  /** By slot: swaps that have switched and whose old provider is still there. */
  readonly #open = new Map<string, SwapRun>();
  journal: SwapJournal | undefined;

  constructor(
    parts: HostParts,
    links: Links,
    providers: (beforeStop: (slot: string) => Promise<unknown> | undefined) => Providers,
  ) {
    this.#parts = parts;
    this.#links = links;
    this.#providers = providers((slot) => this.settle(slot));
  }

  get providers(): Providers {
    return this.#providers;
  }

  /**
   * Puts `next` in the place of a running provider. Until the switch nothing has changed; after it,
   * the old one stays until the trial is over.
   * @throws LatticeError SWAP_REFUSED with all problems, SWAP_PAUSE, PROVIDER_ABSENT, PROVIDER_CONFLICT, POLICY_REFUSED.
   */
  async swap(target: ProviderHandle | string, next: Provider | string, options: SwapOptions): Promise<SwapOutcome> {
    const { wanted, turns } = this.#parts;
    const slot = slotOf(wanted.findProvider(target).spec.id);
    const run = await turns.take(slot, async () => {
      await this.settle(slot);
      const made = new SwapRun(
        this.#parts,
        this.#links,
        this.#providers,
        wanted.findProvider(slot),
        next,
        options,
        this.journal,
      );
      this.records.push(made.record);
      this.records.splice(0, this.records.length - mostRecords);
      await made.switchOver();
      this.#open.set(slot, made);
      return made;
    });
    const reason = await run.tryOut();
    return turns.take(slot, () => this.#end(slot, run, reason));
  }

  /** In the turn of `slot`: ends the trial that is under way there, if one is, and keeps the new provider. */
  settle(slot: string): Promise<unknown> | undefined {
    const run = this.#open.get(slot);
    return run && this.#end(slot, run, undefined);
  }

  /** An engine says something of a provider. */
  hear(news: ProviderNews): void {
    for (const run of this.#open.values()) run.trial.hear(news);
  }

  /** Ends all trials, for a host that stops. */
  stop(): void {
    for (const run of this.#open.values()) run.trial.conclude();
  }

  async #end(slot: string, run: SwapRun, reason: string | undefined): Promise<SwapOutcome> {
    if (this.#open.get(slot) === run) {
      this.#open.delete(slot);
      run.trial.conclude();
      // It may have failed while another change of this provider was before it in the queue.
      const failure = reason ?? run.trial.failure;
      run.outcome = failure === undefined ? run.finish() : run.goBack(failure);
    }
    return await run.outcome!;
  }
}
