import { describe } from "../lattice/index.ts";
import { healthOf } from "./provider-desk.ts";
import type { ProviderNews } from "./provider-questions.ts";
import type { ProviderRow, Tables } from "./tables.ts";

/** Faults in sequence after which a provider that cannot be asked for its health counts as down. */
const faultsWithoutWord = 10;
const shortestWaitMs = 100;
const longestWaitMs = 30_000;
/** Looks at a provider that is down before it is restarted: many come back by themselves. */
const looksBeforeRestart = 3;
/** Restarts within `budgetMs`; then it stays down until it is well by itself, swapped or started anew. */
const restartBudget = 10;
const budgetMs = 600_000;

/** What is known of a provider that is down. */
interface Fall {
  readonly reason: string;
  looks: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Watches over the providers of one engine. Each is asked for its health now and then, and at once
 * when a call fails; one that is not well is down: calls are refused without delay until it is well
 * again, and when it does not recover it is restarted, with growing waits and within a budget.
 */
export class ProviderHealth {
  readonly #tables: Tables;
  readonly #restart: (row: ProviderRow) => Promise<void>;
  readonly #onNews: (news: ProviderNews) => void;
  readonly #falls = new Map<ProviderRow, Fall>();
  readonly #asking = new Set<ProviderRow>();
  /** When each was restarted. */
  readonly #restarts = new WeakMap<ProviderRow, number[]>();
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `restart` brings up another instance, links and all, and rejects when it cannot; the old one serves until then. */
  constructor(
    tables: Tables,
    everyMs: number,
    restart: (row: ProviderRow) => Promise<void>,
    onNews: (news: ProviderNews) => void,
  ) {
    this.#tables = tables;
    this.#everyMs = everyMs;
    this.#restart = restart;
    this.#onNews = onNews;
  }

  /** Watches a provider that runs here from now on. */
  watch(row: ProviderRow): void {
    if (!row.provider || this.#stopped) return;
    row.watch.onAny = (reason) => this.#fault(row, reason);
    this.#timer ??= setInterval(() => this.#round(), this.#everyMs).unref();
  }

  forget(row: ProviderRow): void {
    row.watch.onAny = undefined;
    clearTimeout(this.#falls.get(row)?.timer);
    this.#falls.delete(row);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const row of this.#falls.keys()) this.forget(row);
  }

  #round(): void {
    for (const row of this.#tables.providers.values()) if (!this.#falls.has(row)) void this.#look(row);
  }

  #fault(row: ProviderRow, reason: string): void {
    if (this.#falls.has(row)) return;
    if (row.provider?.health) void this.#look(row);
    else if (row.watch.inSequence >= faultsWithoutWord) this.#fell(row, reason);
  }

  /** Asks for its health; one question at a time. */
  async #look(row: ProviderRow): Promise<void> {
    if (!row.provider?.health || row.draining || this.#asking.has(row)) return;
    this.#asking.add(row);
    const { healthy, message } = await healthOf(row);
    this.#asking.delete(row);
    if (this.#stopped || this.#tables.providers.get(row.spec.id) !== row) return;
    if (!healthy) this.#fell(row, message);
    else if (this.#falls.has(row)) this.#rose(row);
  }

  #fell(row: ProviderRow, reason: string): void {
    // A provider on trial gives way to the one before it.
    if (row.onTrial) return row.onTrial(reason);
    let fall = this.#falls.get(row);
    if (!fall) {
      fall = { reason, looks: 0, timer: undefined };
      this.#falls.set(row, fall);
      row.down = reason;
      this.#onNews({ id: row.spec.id, news: "down", reason });
    }
    const waitMs = Math.min(shortestWaitMs * 2 ** fall.looks, longestWaitMs);
    fall.looks++;
    fall.timer = setTimeout(() => void this.#again(row, fall), waitMs).unref();
  }

  async #again(row: ProviderRow, fall: Fall): Promise<void> {
    if (!row.provider?.health) {
      // The next call is its chance; it falls again with the first fault.
      this.#rose(row);
      row.watch.inSequence = faultsWithoutWord - 1;
      return;
    }
    if (fall.looks >= looksBeforeRestart && canRestart(row)) await this.#restartOnce(row, fall);
    if (this.#falls.get(row) === fall) await this.#look(row);
  }

  async #restartOnce(row: ProviderRow, fall: Fall): Promise<void> {
    const now = performance.now();
    const recent = (this.#restarts.get(row) ?? []).filter((at) => at > now - budgetMs);
    if (recent.length >= restartBudget) {
      if (recent.length === restartBudget)
        this.#onNews({ id: row.spec.id, news: "given-up", reason: `${restartBudget} restarts did not help` });
      this.#restarts.set(row, [...recent, now]);
      return;
    }
    this.#restarts.set(row, [...recent, now]);
    try {
      await this.#restart(row);
      row.restarts++;
      this.#onNews({ id: row.spec.id, news: "restarted", reason: fall.reason });
    } catch (error) {
      row.down = `${fall.reason}; its restart failed: ${describe(error)}`;
    }
  }

  #rose(row: ProviderRow): void {
    this.#falls.delete(row);
    row.down = undefined;
    row.watch.inSequence = 0;
    this.#onNews({ id: row.spec.id, news: "up", reason: "" });
  }
}

/** One of ours is made anew; an object must say that it may be started again. */
/** Whether another instance may take over, or the same be started again. */
export function canRestart({ provider, spec: { source } }: ProviderRow): boolean {
  return source.kind === "builtin" || provider?.restartable === true;
}
