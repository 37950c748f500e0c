import { fail } from "../lattice/index.ts";
import type { Dispatch } from "./dispatch.ts";
import type { GiveChange, SwapChange } from "./engine-messages.ts";
import type { LinkKeeper } from "./link-keeper.ts";
import type { ProviderNews } from "./provider-questions.ts";
import type { ProviderRow, Tables } from "./tables.ts";

/** One engine's part in the swap of a provider: calls wait, move, and are watched while the new one is on trial. */
export class SwapKeeper {
  readonly #tables: Tables;
  readonly #dispatch: Dispatch;
  readonly #links: LinkKeeper;
  readonly #onNews: (news: ProviderNews) => void;

  constructor(tables: Tables, dispatch: Dispatch, links: LinkKeeper, onNews: (news: ProviderNews) => void) {
    this.#tables = tables;
    this.#dispatch = dispatch;
    this.#links = links;
    this.#onNews = onNews;
  }

  hold(id: string): void {
    const row = this.#tables.providers.get(id);
    if (!row) throw fail("PROVIDER_ABSENT", id);
    row.hold ??= this.#dispatch.hold(row.spec.name);
  }

  release(id: string): void {
    const row = this.#tables.providers.get(id);
    if (row) endTrial(row);
    this.#links.release(id);
  }

  async swap(change: SwapChange): Promise<void> {
    const { from, to, tolerated } = change;
    const [old, next] = [this.#tables.providers.get(from), this.#tables.providers.get(to)];
    if (old) endTrial(old);
    if (next && tolerated !== undefined) this.#try(next, tolerated);
    await this.#links.swap(change);
  }

  give(change: GiveChange): void {
    const row = this.#tables.providers.get(change.from.id);
    if (row) endTrial(row);
    this.#links.give(change);
  }

  /** More faults than are tolerated: whoever comes now waits for the decision of the supervisor. */
  #try(row: ProviderRow, tolerated: number): void {
    const { watch, spec } = row;
    const [calls, faults] = [row.calls, watch.faults];
    row.onTrial = (reason) => {
      endTrial(row);
      row.hold ??= this.#dispatch.hold(spec.name);
      this.#onNews({ id: spec.id, news: "failing", reason });
    };
    watch.onFault = (reason) => {
      if (watch.faults - faults > tolerated * (row.calls - calls)) row.onTrial?.(reason);
    };
  }
}

function endTrial(row: ProviderRow): void {
  row.watch.onFault = undefined;
  row.onTrial = undefined;
}
