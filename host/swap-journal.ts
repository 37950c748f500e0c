import type { RememberedProvider } from "./remembered.ts";
import { StateStore } from "./state-store.ts";
import type { ProviderRecord } from "./wanted.ts";

/** A provider of a swap, as a host that comes back would start it; what cannot be started by its reference has a key only. */
export interface SwappedProvider {
  readonly key: string;
  readonly wanted?: RememberedProvider;
}

/** A swap that the last process of this host did not end, and who stood behind the links when it was cut off. */
export interface InterruptedSwap {
  readonly id: string;
  readonly contractId: string;
  readonly linkName: string;
  readonly from: string;
  readonly to: string;
  /** Nothing between: calls go to the old one until the step in which they go to the new one. */
  readonly stands: "old" | "new";
  /** Of a swap on one host: both providers, so that the one that stood runs again. */
  readonly providers?: { readonly old: SwappedProvider; readonly new: SwappedProvider };
  /** Of a swap between two hosts: the other one, and which of the two providers is there. */
  readonly elsewhere?: { readonly host: string; readonly side: "old" | "new" };
}

/** What a host that remembers adds: both are on the disk when they resolve. */
export interface SwapMemory {
  /** How one that runs here would be started again; undefined when it would not be. */
  wantedOf(record: ProviderRecord): Promise<RememberedProvider | undefined>;
  /** What runs here now. */
  flush(): Promise<void>;
}

const version = 1;

/**
 * What is on the disk of the swaps under way, for a host that comes back under the same key. It is
 * written before a swap begins and again with the switch, so that a process that is killed at any
 * moment has left one of two states, and the next one says which.
 */
export class SwapJournal {
  readonly #store: StateStore;
  readonly #name: string;
  readonly #open: Map<string, InterruptedSwap>;
  readonly #memory: SwapMemory | undefined;

  private constructor(
    store: StateStore,
    name: string,
    interrupted: readonly InterruptedSwap[],
    memory: SwapMemory | undefined,
  ) {
    this.#store = store;
    this.#name = name;
    this.#open = new Map(interrupted.map((swap) => [swap.id, swap]));
    this.#memory = memory;
  }

  /** Also answers what the last process left; it stays until each is closed. */
  static async open(
    folder: string,
    hostId: string,
    warn: (text: string) => void,
    memory?: SwapMemory,
  ): Promise<{ journal: SwapJournal; interrupted: readonly InterruptedSwap[] }> {
    const store = await StateStore.open(folder, warn);
    const name = `swaps-${hostId}`;
    const interrupted = (await store.read(name, version, readSwaps)) ?? [];
    return { journal: new SwapJournal(store, name, interrupted, memory), interrupted };
  }

  /** Resolves when it is on the disk. */
  async note(swap: InterruptedSwap): Promise<void> {
    this.#open.set(swap.id, swap);
    await this.#write();
  }

  /** The swap is over: what runs now is remembered before that is forgotten. */
  async close(id: string): Promise<void> {
    if (!this.#open.has(id)) return;
    await this.#memory?.flush();
    this.#open.delete(id);
    await this.#write();
  }

  /** How it would be started again. */
  async describe(record: ProviderRecord): Promise<SwappedProvider> {
    const wanted = await this.#memory?.wantedOf(record);
    return { key: record.spec.key, ...(wanted ? { wanted } : {}) };
  }

  #write(): Promise<void> {
    return this.#open.size === 0
      ? this.#store.remove(this.#name)
      : this.#store.write(this.#name, version, [...this.#open.values()]);
  }
}

function readSwaps(value: unknown): readonly InterruptedSwap[] {
  if (!Array.isArray(value) || !value.every(isSwap)) throw new Error("it holds no swaps");
  return value;
}

function isSwap(value: unknown): value is InterruptedSwap {
  if (typeof value !== "object" || value === null) return false;
  const { stands, elsewhere, ...texts } = value as Record<string, unknown>;
  const named = ["id", "contractId", "linkName", "from", "to"].every((name) => typeof texts[name] === "string");
  const { host, side } = (elsewhere ?? { host: "", side: "old" }) as Record<string, unknown>;
  return named && isSide(stands) && typeof host === "string" && isSide(side);
}

function isSide(value: unknown): value is "old" | "new" {
  return value === "old" || value === "new";
}
