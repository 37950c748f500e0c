import type { Link, Provider, StoreEntry } from "../capabilities/index.ts";
import { describe, fail } from "../lattice/index.ts";
import { within } from "./deadlines.ts";
import { batches, listOf } from "./entry-batches.ts";
import type { ProviderAnswer, ProviderFigures, ProviderQuestion, StoreBehind } from "./provider-questions.ts";
import { stepNumber } from "./children/provider-step.ts";
import { holding } from "./stalls/stall-watch.ts";
import type { ProviderRow, Tables } from "./tables.ts";

/** Longest wait for a provider's word on its health, in milliseconds. */
export const healthMs = 1_000;

const healthStep = stepNumber("health");

/** Answers what the supervisor asks of the providers of one engine. */
export class ProviderDesk {
  readonly #tables: Tables;
  /** Copies under way. */
  readonly #exports = new Map<string, AsyncGenerator<readonly StoreEntry[]>>();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  /** @throws LatticeError what the provider throws, else PROVIDER_FAILED. */
  async ask(question: ProviderQuestion): Promise<ProviderAnswer | undefined> {
    const row = this.#tables.providers.get(question.id);
    // Calls wait in the engine that sends them, wherever it runs.
    if (question.type === "figures") return row && { answer: "figures", ...figuresOf(row, this.#tables) };
    const provider = row?.provider;
    if (!row || !provider) return undefined;
    switch (question.type) {
      case "health":
        return { answer: "health", ...(await healthOf(row)) };
      case "idle":
        await within(row.inFlight.idle(), question.withinMs, row.spec.name).catch(() => {});
        return { answer: "idle", left: row.inFlight.count };
      case "stores":
        return { answer: "stores", stores: storesOf(row, provider), copies: canCopy(provider) };
      case "count":
        return { answer: "count", count: (await provider.countEntries?.(linkOf(row, question.link))) ?? 0 };
      case "export":
        return await this.#export(row, provider, question);
      case "import": {
        const count = await provider.importEntries?.(listOf(question.entries), linkOf(row, question.link));
        return { answer: "imported", count: count ?? 0 };
      }
      default:
        return question satisfies never;
    }
  }

  async #export(
    row: ProviderRow,
    provider: Provider,
    { exportId, link, end }: Extract<ProviderQuestion, { type: "export" }>,
  ): Promise<ProviderAnswer> {
    let open = this.#exports.get(exportId);
    if (end || !provider.exportEntries) {
      this.#exports.delete(exportId);
      await open?.return(undefined);
      return { answer: "entries", entries: [], done: true };
    }
    if (!open) {
      open = batches(provider.exportEntries(linkOf(row, link)));
      this.#exports.set(exportId, open);
    }
    const step = await open.next();
    if (step.done) this.#exports.delete(exportId);
    return { answer: "entries", entries: step.done ? [] : step.value, done: step.done === true };
  }
}

function figuresOf({ spec, calls, watch, waited, refused, inFlight }: ProviderRow, tables: Tables): ProviderFigures {
  const unserved = tables.unservedOf(spec);
  return { calls, faults: watch.faults, waited, refused: refused + unserved, inFlight: inFlight.count };
}

/** Whether its state can be taken out and put in. */
function canCopy(provider: Provider): boolean {
  return ["exportEntries", "importEntries", "countEntries"].every((name) => name in provider);
}

function storesOf(row: ProviderRow, provider: Provider): readonly StoreBehind[] {
  if (row.links.size === 0) return [{ link: "", name: provider.storeName?.() ?? row.spec.id }];
  return [...row.links.values()].map(({ link }) => ({
    link: link.id,
    name: provider.storeName?.(link) ?? row.spec.id,
  }));
}

/** Without an id the store of the provider's own configuration. */
function linkOf({ links, spec }: ProviderRow, id: string): Link | undefined {
  if (id === "") return undefined;
  const held = links.get(id);
  if (!held) throw fail("LINK_ABSENT", spec.name, spec.contractId, id);
  return held.link;
}

/** One that does not say, or not in time, is not well; one that cannot be asked is. */
export async function healthOf({ provider, spec, mark }: ProviderRow): Promise<{ healthy: boolean; message: string }> {
  if (!provider?.health) return { healthy: true, message: "" };
  try {
    const { healthy, message } = await within(
      (async () => await holding(mark + healthStep, () => provider.health?.()))(),
      healthMs,
      spec.name,
    ).then((health) => health ?? { healthy: false, message: "it says nothing" });
    return { healthy, message: healthy ? "" : (message ?? "it says so") };
  } catch (error) {
    return { healthy: false, message: describe(error) };
  }
}
