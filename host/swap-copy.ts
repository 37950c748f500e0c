import { randomUUID } from "node:crypto";
import { fail } from "../lattice/index.ts";
import { within } from "./deadlines.ts";
import type { ProviderSpec } from "./engine-messages.ts";
import type { Fleet } from "./fleet.ts";
import type { AnswerTo, ProviderQuestion } from "./provider-questions.ts";

/** Keys that are copied without asking. */
export const keysUnasked = 10_000;
/** Keys a millisecond that an estimate takes for granted at best. */
const fastest = 100;

/** One store to take from and one to put into, by the links that lead to them. */
interface Pair {
  readonly from: string;
  readonly to: string;
}

/** A provider that is copied from or to: here, or on another host. */
export interface CopyEnd {
  readonly name: string;
  readonly id: string;
  /** @throws LatticeError what the provider throws. */
  ask<T extends ProviderQuestion["type"]>(question: Extract<ProviderQuestion, { type: T }>): Promise<AnswerTo<T>>;
}

/** One that runs in several engines has its state elsewhere, so that any of them can be asked: always the same. */
export function endHere(fleet: Fleet, { id, name, places }: ProviderSpec): CopyEnd {
  return { id, name, ask: (question) => fleet.askAt(places[0]!, question) };
}

/** The state of one provider on its way to another. Whoever uses it keeps calls away meanwhile. */
export class StateCopy {
  readonly #from: CopyEnd;
  readonly #to: CopyEnd;
  readonly #pairs: readonly Pair[];
  #copied = 0;

  private constructor(from: CopyEnd, to: CopyEnd, pairs: readonly Pair[]) {
    this.#from = from;
    this.#to = to;
    this.#pairs = pairs;
  }

  /** @throws LatticeError SWAP_REFUSED when one of them cannot be copied, or stores would run into each other. */
  static async plan(from: CopyEnd, to: CopyEnd): Promise<StateCopy> {
    const [source, target] = [
      await from.ask<"stores">({ type: "stores", id: from.id }),
      await to.ask<"stores">({ type: "stores", id: to.id }),
    ];
    const refuse = (why: string) => fail("SWAP_REFUSED", from.name, to.name, why);
    if (!source.copies) throw refuse(`the state of ${from.name} cannot be copied`);
    if (!target.copies) throw refuse(`${to.name} cannot take a copy`);
    const pairs = new Map<string, Pair>();
    const takenBy = new Map<string, string>();
    for (const { link, name } of source.stores) {
      const meant = target.stores.find((each) => each.link === link) ?? target.stores[0];
      if (!meant) continue;
      const holder = takenBy.get(meant.name) ?? name;
      if (holder !== name) throw refuse(`stores that are apart now would fall together behind ${to.name}`);
      takenBy.set(meant.name, name);
      pairs.set(JSON.stringify([name, meant.name]), { from: link, to: meant.link });
    }
    return new StateCopy(from, to, [...pairs.values()]);
  }

  /** Keys that a copy would take. */
  async count(): Promise<number> {
    let sum = 0;
    for (const { from } of this.#pairs)
      sum += (await this.#from.ask<"count">({ type: "count", id: this.#from.id, link: from })).count;
    return sum;
  }

  /** Keys that are in the other store by now. */
  get copied(): number {
    return this.#copied;
  }

  /**
   * How long `keys` may take, in milliseconds, by the time that the first two pages take to be read.
   * The first one may hold what is done once, such as listing all keys; the second tells the rate.
   */
  async estimate(keys: number): Promise<number> {
    const [pair] = this.#pairs;
    if (!pair || keys === 0) return 0;
    const exportId = randomUUID();
    const page = async () => {
      const since = performance.now();
      const { entries, done } = await this.#export(pair.from, exportId);
      return { ms: performance.now() - since, entries: entries.length, done };
    };
    const first = await page();
    const later = first.done ? first : await page();
    await this.#export(pair.from, exportId, true);
    const each = later.ms / Math.max(1, later.entries);
    const once = Math.max(0, first.ms - each * first.entries);
    // Writing costs more than reading; how much more only the copy itself would tell.
    return Math.ceil(once + keys * Math.max(each * 3, 1 / fastest));
  }

  /**
   * Copies all; tells how many keys.
   * @throws LatticeError DEADLINE_EXCEEDED after `withinMs`; what the providers throw.
   */
  async run(withinMs: number): Promise<number> {
    const end = performance.now() + withinMs;
    this.#copied = 0;
    for (const { from, to } of this.#pairs) {
      const exportId = randomUUID();
      try {
        for (;;) {
          const left = Math.max(0, end - performance.now());
          const { entries, done } = await within(this.#export(from, exportId), left, "the copy");
          if (entries.length > 0) {
            const question = { type: "import", id: this.#to.id, link: to, entries } as const;
            await within(this.#to.ask<"import">(question), Math.max(0, end - performance.now()), "the copy");
          }
          this.#copied += entries.length;
          if (done) break;
        }
      } catch (error) {
        void this.#export(from, exportId, true).catch(() => {});
        throw error;
      }
    }
    return this.#copied;
  }

  #export(link: string, exportId: string, end = false) {
    return this.#from.ask<"export">({ type: "export", id: this.#from.id, link, exportId, end });
  }
}
